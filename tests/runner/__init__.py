"""The one entry to all checks: which steps there are, how one is run, and the summary."""
