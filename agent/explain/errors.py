"""What can keep an episode from being told.

AgentError
`-- ExplainError    there is nothing to tell, or nothing to draw it with
"""

from __future__ import annotations

from agent.errors import AgentError


class ExplainError(AgentError):
    """The file that the message names is missing or none of ours, or a library is; the text says what helps."""
