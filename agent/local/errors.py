"""What can go wrong between somebody on the device and the agent; both are AgentErrors."""

from __future__ import annotations

from agent.errors import AgentError


class LocalError(AgentError):
    """The agent cannot be asked as wanted; the message says what to correct."""


class NotRunningError(LocalError):
    """No agent listens there; whoever administers the device can start it."""
