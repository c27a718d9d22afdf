"""driftline-convert as its users run it: real training, real conversion."""
