"""Watching signals for drift: the detector port, River's detectors behind it, and how River is loaded."""
