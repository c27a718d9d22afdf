"""Spiking networks as integers."""
