"""The daemon on the Pi: a supervisor without numpy, and an inference worker that may die."""
