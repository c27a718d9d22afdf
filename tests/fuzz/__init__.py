"""Hostile input at every place where bytes of a stranger are read: `python3 -m tests fuzz`."""
