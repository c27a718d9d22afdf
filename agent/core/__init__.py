"""What the agent decides. Events in, commands out; no input or output, no clock, no threads."""
