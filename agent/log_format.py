"""How a line of the log looks, in the supervisor and in every worker: time, level, module, event, key=value pairs.

info is a change of state that an operator cares about, warning what went wrong and was dealt with, debug everything
else. Nothing is logged for each inference, and neither payloads nor secrets ever are.
"""

from __future__ import annotations

import logging
import sys

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_to_stderr(*, verbose: bool = False) -> None:
    """Send the log of this process to stderr."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
