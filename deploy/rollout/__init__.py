"""Rollouts: a bundle goes to a few devices first, then to the rest, and back from all of them if it fails on one."""
