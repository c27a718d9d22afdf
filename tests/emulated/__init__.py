"""Raspberry Pis emulated by qemu-user: `python3 -m tests emulated`. They say what is computed, not how fast."""
