"""One runnable form of a model, as the manifest describes it: engine, files, border, and what was measured on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described
from edge_models.scalars import shown
from edge_models.tensors import TensorSpec

FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
MODEL_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
ARTIFACT_NAME = MODEL_NAME
OUTPUT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"  # becomes the name of an array in the probe file


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """One output of an artifact."""

    name: str = described("Key in the engine's result.", pattern=OUTPUT_NAME)
    role: Literal["logits", "probabilities", "embedding", "reconstruction"] = described("What the numbers mean.")
    spec: TensorSpec = described("Its shape and code.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """What must be there to run the artifact, found by inspecting its graph."""

    runtimes: tuple[str, ...] = described("Any one of these will do, such as ai-edge-litert.", max_length=16)
    ops: dict[str, int] = described("Highest version of each op in the graph.", default_factory=dict, max_length=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Golden inputs with the outputs that this very artifact gave when it was built."""

    file: str = described("npz with x and one y_OUTPUT for each output, all in stored codes.", pattern=FILE_NAME)
    count: int = described("Number of inputs.", ge=1, le=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a device's outputs may be from the golden ones, in units of the stored code."""

    exact_lsb: int = described("With default delegates off.", ge=0, default=1)
    delegate_lsb: int = described("With them on, as in production.", ge=0, default=8)
    top1_agreement: float = described("Share of golden inputs with the same largest output.", ge=0, le=1, default=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One runnable form of the model; everything that is measured belongs to an artifact, not to the bundle."""

    engine: str = described("Which engine runs it: tflite or spiking.", pattern=r"[a-z0-9-]{1,40}")
    file: str = described("The model's file.", pattern=FILE_NAME)
    coding: str | None = described("Execution coding of a spiking artifact.", default=None)
    collapsed: str | None = described(
        "spiking: name of the artifact that is the same function as a TFLite graph.",
        default=None,
        pattern=ARTIFACT_NAME,
    )
    exit_margin: int | None = described(
        "coding if: a frame ends after the step t at which the two largest logits differ by this times t.",
        default=None,
        ge=0,
        le=2**31 - 1,
    )
    requires: Requires = described("What a device needs.")
    input: TensorSpec = described("The engine's input, batch axis left out.")
    outputs: tuple[OutputSpec, ...] = described("The engine's outputs.", max_length=32)
    profile: str | None = described("Reference profile of its signals (npz).", default=None, pattern=FILE_NAME)
    probe: Probe = described("Golden inputs and outputs.")
    tolerance: Tolerance = described("Allowed difference from the golden outputs.", default_factory=Tolerance)
    acceptance: dict[str, float] = described("Measured figures, units in names.", default_factory=dict, max_length=64)
    float_ops: tuple[str, ...] = described(
        "Operators of a quantised graph that stay in floating point on purpose.", default=(), max_length=512
    )
    threshold: float | None = described(
        "Mean squared reconstruction error above which an input counts as an anomaly.", default=None, ge=0
    )

    def __post_init__(self) -> None:
        """Refuse outputs that cannot be told apart, and a threshold that nothing can be held against."""
        if self.exit_margin is not None and (self.engine, self.coding) != ("spiking", "if"):
            raise ValueError(
                "an exit_margin only with engine spiking and coding if, which alone has steps to leave out"
            )
        names = [output.name for output in self.outputs]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"at least one output, each with a name of its own, not {shown(names)}")
        reconstruction = self.output("reconstruction")
        if reconstruction is None:
            if self.threshold is not None:
                raise ValueError("a threshold only with an output of role reconstruction")
        elif math.prod(reconstruction.spec.shape) != math.prod(self.input.shape):
            found, wanted = list(reconstruction.spec.shape), list(self.input.shape)
            raise ValueError(f"a reconstruction of as many numbers as the input, not {found} for {wanted}")
        if self.threshold is not None and self.output("logits", "probabilities") is not None:
            raise ValueError("a threshold only without logits or probabilities, which could contradict it")

    def output(self, *roles: str) -> OutputSpec | None:
        """The first output that has one of ``roles``, or None."""
        return next((output for output in self.outputs if output.role in roles), None)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that a device needs to run this artifact."""
        return tuple(name for name in (self.file, self.profile, self.probe.file) if name is not None)
