"""What can be wrong in the inference worker.

    AgentError
    `-- WorkerError
        |-- SourceError          frames cannot be read: a path, a file format or a message of the wrong kind
        |   `-- StuckSourceError   a driver hangs; only a new process helps
        |-- DetectorError        the configuration names a detector or a parameter that does not exist
        |-- LearnerError         the same of a learner
        |-- UnadaptableError     the artifact gives nothing to learn from
        `-- PackageLayoutError   River's files lie elsewhere than expected; the public import is used instead

Errors of bundles and engines are those of ``edge_models.errors``.
"""

from __future__ import annotations

from agent.errors import AgentError


class WorkerError(AgentError):
    """Base of the worker's errors."""


class SourceError(WorkerError):
    """A source cannot deliver frames; whoever wrote its configuration or recorded its file can fix it."""


class StuckSourceError(SourceError):
    """A driver does not come back from a call; the worker ends, and the next one opens the device anew."""


class DetectorError(WorkerError):
    """A detector of that name, or with these parameters, does not exist; fix the configuration's drift section."""


class LearnerError(WorkerError):
    """A learner of that name, or with these parameters, does not exist; fix the configuration's adaptation section."""


class UnadaptableError(WorkerError):
    """Nothing can be learnt on this artifact, which runs all the same; choose another artifact or no adaptation."""


class PackageLayoutError(WorkerError):
    """River's package is not laid out as this version knows it; nothing to fix, only more memory is used."""
