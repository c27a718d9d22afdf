"""The supervisor's parts, each alone: no processes, no network, no waiting."""
