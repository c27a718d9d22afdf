"""Settings of hypothesis: the same examples every time, and no deadline, because test machines are shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")
