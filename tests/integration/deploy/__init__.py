"""The fleet side against real brokers, real processes and a real registry."""
