"""The inference worker as a process, and River as it is installed."""
