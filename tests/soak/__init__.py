"""Lets an agent run for long, in simulated time and in real time, and looks what grows."""
