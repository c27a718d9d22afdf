"""Tests of the set-up of environments."""
