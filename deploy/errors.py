"""Everything that the fleet side reports to its user.

    DeployError                 something here or outside failed; exit code 1
    |-- UsageError              what the user gave is wrong; exit code 2
    |   |-- ConfigError         fleet.yaml or the flags that stand for it
    |   |-- UnknownIdError      no device, sample, rollout or bundle of that id
    |   `-- LabelError          a label or a table of labels cannot be used
    |-- BrokerError             the embedded broker does not start, or died
    |-- LinkError               the broker cannot be reached
    |-- CommandError            a device refused a command, or did not answer
    |-- DatabaseError           the fleet database cannot be opened or is newer than this program
    |-- RolloutError            a rollout cannot be started now
    `-- ConverterError          the converter's process failed

The registry has its own tree in deploy/registry. A caller's mistake is a ValueError, outside this tree.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ROLLED_BACK = 3
EXIT_TIMEOUT = 4


class DeployError(Exception):
    """Base of all errors that a command of the fleet side ends with; its text is the one line that the user sees."""

    exit_code = EXIT_FAILED


class UsageError(DeployError):
    """A file, id or option that the user gave is wrong; the user can mend it."""

    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    """fleet.yaml, or a flag that takes the place of one of its keys, is wrong; the operator can mend it."""


class UnknownIdError(UsageError):
    """Nothing in the fleet database has the id that the user named."""


class LabelError(UsageError):
    """A label is not one of the model's, or a table of labels cannot be read; the person who labels can mend it."""


class BrokerError(DeployError):
    """The embedded broker did not start or has died; a free port usually helps."""


class LinkError(DeployError):
    """The MQTT broker cannot be reached or refuses us; check host, port and credentials."""


class CommandError(DeployError):
    """A device refused a command, or did not answer in time; its reply says why, or it is offline."""


class DatabaseError(DeployError):
    """The fleet database cannot be opened, or was written by a newer Driftline."""


class RolloutError(DeployError):
    """A rollout cannot be started now; the text says what has to happen first."""


class ConverterError(DeployError):
    """The converter's process failed; its own last line is in the text."""


class Terminated(BaseException):
    """SIGTERM has arrived; like KeyboardInterrupt no Exception, so only `finally`, daemons and deploy.cli see it."""
