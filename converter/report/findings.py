"""What a report is made of: everything that a build has found out, in the words of the modules that found it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.gates import Verdict
from converter.measure import Figures
from converter.report.drift import DriftFound
from converter.spiking.study import SpikingStudy
from edge_models.manifest import Artifact, InputSpec, Provenance


class Identity(Protocol):
    """What a bundle says of itself as a whole: its manifest, or what becomes one."""

    @property
    def model(self) -> str:
        """Model slot."""

    @property
    def version(self) -> str:
        """Version for people."""

    @property
    def serial(self) -> int:
        """Rises with every bundle of the model."""

    @property
    def task(self) -> str:
        """What the outputs are for."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def input(self) -> InputSpec:
        """From the source to the model."""

    @property
    def provenance(self) -> Provenance:
        """Where it comes from."""


class LayerFound(Protocol):
    """One layer of the quantised graph; ``converter.quantize.sensitivity.LayerNoise`` is one."""

    @property
    def name(self) -> str:
        """Of the layer, for people."""

    @property
    def op(self) -> str:
        """Operator."""

    @property
    def sqnr_db(self) -> float:
        """Float output over its difference from the int8 output."""

    @property
    def rmse_over_scale(self) -> float:
        """Root mean square of the difference, in steps of the output."""

    @property
    def low(self) -> float:
        """Smallest value of the calibration."""

    @property
    def high(self) -> float:
        """Largest value of the calibration."""

    @property
    def histogram(self) -> tuple[int, ...]:
        """Values between them, in bins of equal width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One artifact with what was measured on it.

    Attributes:
        artifact: As in the manifest.
        mode: Its precision, such as int8.
        figures: Of the test part.
        verdicts: Of the gates; empty where none applies, as for the artifacts of ``quantize.also``.
        cautions: What its figures do not tell, or what is odd about them.
    """

    artifact: Artifact
    mode: str
    figures: Figures
    verdicts: tuple[Verdict, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataFound:
    """The data as they were divided.

    Attributes:
        y: Class of each example, (n,).
        group: Group of each, (n,), or None.
        group_names: Names of the groups.
        parts: Indices of the examples of each part, in the order train, profile, test.
        unlabelled: Examples without labels that were learnt from.
    """

    y: NDArray[np.int64]
    group: NDArray[np.int64] | None = None
    group_names: tuple[str, ...] = ()
    parts: Mapping[str, NDArray[np.intp]]
    unlabelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveFound:
    """One run of a training loop, one value for each epoch.

    Attributes:
        stage: What it was for, such as pretrain, frozen or train.
        loss: Of the training.
        accuracy: On the profile part; empty where there is none.
        validation_loss: On the profile part; empty where it was not watched.
        best: Epoch whose weights were kept, from 0; None for the last.
    """

    stage: str
    loss: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    best: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFound:
    """One training of the hyper-parameter search.

    Attributes:
        value: What it reached on the profile part, the higher the better; None when it was given up.
        settings: Values of the keys.
    """

    value: float | None
    settings: Mapping[str, float | str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPoint:
    """One training with few labels.

    Attributes:
        per_class: Labels of each class.
        seed: Which labels, and everything else random.
        method: Such as ``from scratch`` or ``pre-trained``; a curve for each.
        value: What the artifact reached.
    """

    per_class: int
    seed: int
    method: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackTried:
    """One attempt to reach the gate ``drop`` with layers in floating point.

    Attributes:
        layers: Layers that stayed float.
        drop: What the artifact then loses.
        size_bytes: Of its file.
        taken: Whether this is what was written.
    """

    layers: tuple[str, ...]
    drop: float | None
    size_bytes: int
    taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningFound:
    """How the model was learnt.

    Attributes:
        network: Architecture in words, such as ``ds_cnn``.
        parameters: Numbers that were learnt; None where they were not counted.
        curves: In the order of training.
        folds: Metric of each fold of the cross-validation.
        trials: Of the hyper-parameter search, in their order.
        label_curve: Trainings with few labels.
    """

    network: str = ""
    parameters: int | None = None
    curves: tuple[CurveFound, ...] = ()
    folds: tuple[float, ...] = ()
    trials: tuple[TrialFound, ...] = ()
    label_curve: tuple[LabelPoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisationFound:
    """How the model was quantised.

    Attributes:
        calibration: Examples that set the ranges; None for none.
        layers: Noise of every layer, in the order of the graph; empty where it was not measured.
        kept_float: Layers that stayed in floating point.
        fallback: Attempts of the selective fallback.
        trained: Whether quantisation was simulated in training.
    """

    calibration: int | None = None
    layers: Sequence[LayerFound] = ()
    kept_float: tuple[str, ...] = ()
    fallback: tuple[FallbackTried, ...] = ()
    trained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """All of it.

    Attributes:
        identity: What the bundle says of itself.
        artifacts: By name, the one that the gates judge first.
        data: How the data were divided; None for a wrapped model, of which only the test part is known.
        learning: Empty for a model that was not trained here.
        quantisation: Empty for a model that was not converted here.
        devices: What was found out about each device of a retraining.
        seconds: Of each step.
        notes: More that the reader should know, one sentence each.
        spiking: What was studied on the spiking artifact; None without one.
        drift: What devices will notice; None where that was not measured.
    """

    identity: Identity
    artifacts: Mapping[str, Measured]
    data: DataFound | None = None
    learning: LearningFound = LearningFound()
    quantisation: QuantisationFound = QuantisationFound()
    devices: tuple[dict[str, Any], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spiking: SpikingStudy | None = None
    drift: DriftFound | None = None
