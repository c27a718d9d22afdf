"""Spiking networks in integers: what they are, how they are stored, and executors that agree bit for bit."""
