"""Drift on real data with known change points: shifts, streams, contestants and what is measured of them."""
