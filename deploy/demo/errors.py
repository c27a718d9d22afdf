"""What can end the demo early.

DeployError
|-- DemoStalledError     a step did not happen in its time; exit code 1
`-- UsageError
`-- DemoError        an option or the --drift file is wrong; exit code 2
"""

from __future__ import annotations

from deploy.errors import DeployError, UsageError


class DemoError(UsageError):
    """An option or the file with unseen frames is wrong; the text says what would be right."""


class DemoStalledError(DeployError):
    """A step of the loop did not happen in its time, or a process of it died; its log says why."""
