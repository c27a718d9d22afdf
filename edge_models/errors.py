"""Everything that can be wrong with a bundle, an artifact or a message.

    EdgeModelsError
    |-- FieldError             a value of a JSON or YAML document is not what its schema says
    |-- BundleError            a bundle on disk is not what its manifest says
    |   |-- ManifestError      the manifest itself cannot be read
    |   |-- IntegrityError     bytes differ from the digest or size that the manifest signs
    |   |-- ArchiveError       an .npz member is not what was declared
    |   `-- NetworkError       a spiking network that cannot be executed exactly
    |-- EngineError            a model cannot be run here
    |   |-- RuntimeMissingError    no runtime for the artifact's engine is installed, or none that works
    |   `-- UnsupportedArtifactError  the runtime is there and refuses this artifact
    |-- InputError             a frame does not have the shape or dtype that the model's source delivers
    |-- SketchError            a sketch cannot be decoded or merged
    `-- DriftStateError        the saved state of a drift detector does not fit

A caller's mistake is a ValueError, outside this tree.
"""

from __future__ import annotations


class EdgeModelsError(Exception):
    """Base of all errors of the contract; catch it to say that an artifact or a peer is bad."""


class FieldError(EdgeModelsError):
    """A value in a document is wrong; whoever wrote the document can fix it.

    Attributes:
        where: Path of the value inside its document, such as ``mqtt.tls.ca``; empty for the document itself.
        found: What stands there.
        expected: What may stand there.
    """

    def __init__(self, where: str, found: str, expected: str) -> None:
        """Say what was found at ``where`` and what would have been right."""
        super().__init__(f"{where + ': ' if where else ''}found {found}, expected {expected}")
        self.where = where
        self.found = found
        self.expected = expected


class BundleError(EdgeModelsError):
    """A bundle cannot be used; whoever built or copied it can fix it."""


class ManifestError(BundleError):
    """manifest.json is missing, malformed or of a format this version does not read."""


class IntegrityError(BundleError):
    """Bytes do not match the size or sha256 in the manifest; fetch the bundle again."""


class ArchiveError(BundleError):
    """An .npz file holds other members, dtypes or shapes than declared; build the bundle again."""


class NetworkError(BundleError):
    """A spiking network has wrong shapes, or numbers that leave its integers; convert the model again."""


class EngineError(EdgeModelsError):
    """An artifact cannot be run on this machine."""


class RuntimeMissingError(EngineError):
    """No working runtime for the engine is installed; the operator can install one."""


class UnsupportedArtifactError(EngineError):
    """The runtime refuses the artifact; convert the model again for this runtime."""


class InputError(EdgeModelsError):
    """A frame from a source does not fit the model's input; check the source's configuration."""


class SketchError(EdgeModelsError):
    """A sketch is truncated, oversized or belongs to another profile."""


class DriftStateError(EdgeModelsError):
    """A detector's saved state is damaged or of another reference; start that detector anew."""
