"""The daemon on the Pi: a supervisor without numpy, and an inference worker that may die."""

from agent.lean_import import spare_inspect

spare_inspect()  # before the first dataclass is made
