"""The demo: the whole loop on one machine, every part a real process; ``story`` tells it from top to bottom."""
