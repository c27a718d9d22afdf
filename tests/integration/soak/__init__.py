"""A day in simulated time, for the default run."""
