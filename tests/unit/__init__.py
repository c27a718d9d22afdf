"""Tests by area."""
