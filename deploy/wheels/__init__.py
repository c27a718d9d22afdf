"""Wheels of this project with the C kernel of spiking networks inside, for processors unlike this machine."""
