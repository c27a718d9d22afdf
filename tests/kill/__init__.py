"""Kills a device at every durable operation of an update, and looks whether it comes back whole."""
