"""What an agent costs: the parts of the benchmark `agent`."""
