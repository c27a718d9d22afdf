"""Wheels with compiled kernels."""
