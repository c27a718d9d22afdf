"""Everything that can go wrong on the device.

    AgentError
    |-- ConfigError          agent.yaml is not what it must be
    |-- StorageError         the state directory cannot be read or written
    |-- IpcError             bytes between supervisor and worker are not a frame of ours
    |-- LinkError            the broker cannot be reached as configured
    |-- ChildError           a child process could not be started
    |-- TransitionError      a table of states has no row for an event
    `-- UpdateError          a check or download of a model failed; carries a code for model/state

A caller's mistake is a ValueError or RuntimeError, outside this tree.
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of all errors of the agent."""


class ConfigError(AgentError):
    """The configuration is wrong; the operator can correct the file that the message names."""


class StorageError(AgentError):
    """The state directory cannot be used; the operator can free space or give the right permissions."""


class IpcError(AgentError):
    """The other end of the socketpair sent something that is no message; the process is to be replaced."""


class LinkError(AgentError):
    """The settings of the connection to the broker cannot work; the operator can correct them."""


class ChildError(AgentError):
    """A child process could not be started; the operator can free memory or mend the installation."""


class TransitionError(AgentError):
    """A table of states has no row for this state and event; only a developer can fix it."""


class UpdateError(AgentError):
    """A check or download failed.

    Attributes:
        code: Short lower-case word for ``model/state``, such as ``signature`` or ``no_space``.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(message)
        self.code = code
