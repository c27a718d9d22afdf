"""``python -m tests.integration.agent.moody_agent ... CONFIG``: the agent with the worker that grows when told to."""

from __future__ import annotations

import sys

from tests.integration.agent.agent_with import run_with

if __name__ == "__main__":
    sys.exit(run_with("moody_worker"))
