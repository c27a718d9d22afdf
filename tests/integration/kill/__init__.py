"""A sample of the kill points, for the default run."""
