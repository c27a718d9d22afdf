"""The gap between the data and what devices see: the drift signals of both, counted in the same bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.audit.finding import Finding, Severity
from converter.datasets import Dataset
from converter.datasets.windows import ExampleInputs, cut, window_step
from converter.errors import DatasetError, RequestError
from edge_models.bundle import Bundle
from edge_models.errors import EdgeModelsError, InputError, SketchError
from edge_models.json_text import parse_json
from edge_models.manifest import InputSpec
from edge_models.preprocess import as_delivered
from edge_models.profile import Profile
from edge_models.signals import input_signal_names, input_signals_batch
from edge_models.sketch import Sketch

MAX_SKETCH_FILE_BYTES = 16 << 20
MAX_EXAMPLES = 4000  # of the data; a signal of a picture costs about 20 us
FAR = 0.3  # Kolmogorov-Smirnov distance from which two histograms have little in common
_LEVEL = 0.01  # chance that any signal exceeds its limit by luck
_LEAST, _MARGIN = 0.1, 0.05  # as for a device's own windows: neighbouring frames resemble each other
_CLASSES_APART = 0.2  # total variation between classes of the data and answers in the field


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalGap:
    """One signal in the data and in the field.

    Attributes:
        signal: Its name.
        distance: Kolmogorov-Smirnov distance 0..1 between the data and the field; None for signals of answers.
        reference: The same between what the bundle was built from and the field.
        data: Mean over the data, from the bins; None for signals of answers.
        field: Mean in the field, from the bins.
        limit: Distance that luck explains.
    """

    signal: str
    distance: float | None
    reference: float
    data: float | None
    field: float
    limit: float

    @property
    def verdict(self) -> str:
        """same, apart or far, by the data where they are known, otherwise by the bundle's reference."""
        found = self.reference if self.distance is None else self.distance
        return "same" if found <= self.limit else "far" if found > FAR else "apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldGap:
    """The data against the sketches of devices.

    Attributes:
        frames: Frames in the sketches.
        sketches: Number of sketches.
        signals: Each signal.
        classes: Total variation 0..1 between classes of the data and answers in the field; None when not comparable.
    """

    frames: int
    sketches: int
    signals: tuple[SignalGap, ...]
    classes: float | None


def read_sketches(path: Path) -> list[Sketch]:
    """Sketches of a file: evidence E.json, one message of a device, or the text of a sketch alone.

    Raises:
        RequestError: It is none of these.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SKETCH_FILE_BYTES + 1)
        text = data.decode("ascii").strip()
        texts = _texts(parse_json(data, max_bytes=MAX_SKETCH_FILE_BYTES)) if text.startswith(("{", "[")) else [text]
        found = [Sketch.decode(text) for text in texts if text]
    except OSError as exc:
        raise RequestError(f"{path}: {exc.strerror}; expected a sketch of the field") from exc
    except (EdgeModelsError, UnicodeDecodeError) as exc:
        raise RequestError(f"{path}: {exc}; expected a sketch, a device's message or the evidence of requests") from exc
    if not found or not any(sketch.n for sketch in found):
        raise RequestError(f"{path}: found no sketch with frames, expected some; ask the devices for evidence")
    return found


def _texts(document: object) -> list[str]:
    """Every text under a key sketch or evidence, at any depth."""
    if isinstance(document, list):
        return [text for item in document for text in _texts(item)]
    if not isinstance(document, dict):
        return []
    own = [value for key, value in document.items() if key in ("sketch", "evidence") and isinstance(value, str)]
    return own + [text for value in document.values() for text in _texts(value)]


def field_gap(data: Dataset, sketches: Sequence[Sketch], bundle: Bundle) -> FieldGap:
    """Compare the data with what devices counted.

    Args:
        data: Examples as the bundle's source delivers them.
        sketches: What devices counted against one profile of the bundle; those of other profiles are refused.
        bundle: The bundle that the devices held.

    Raises:
        RequestError: The bundle has no such profile.
        DatasetError: The examples are not what the bundle's source delivers.
    """
    profile = _profile(bundle, sketches)
    try:
        together = sketches[0]
        for sketch in sketches[1:]:
            together = together.merge(sketch)
        from_reference = together.distance(profile)
    except SketchError as exc:
        raise RequestError(f"--against: {exc}; expected sketches of one bundle") from exc
    spec = bundle.manifest.input
    inputs = _inputs(data, spec)
    names = input_signal_names(spec.kind, inputs.shape[1:])
    values = np.zeros((len(inputs), len(profile.signals)))
    known = [name for name in names if name in profile.signals]
    own = input_signals_batch(spec.kind, inputs)
    values[:, [profile.signals.index(name) for name in known]] = own[:, [names.index(name) for name in known]]
    shares = profile.histogram(values) / len(inputs)
    limit = _limit(together.n, len(inputs), len(profile.signals))
    centres = (profile.edges[:, :-1].astype(np.float64) + profile.edges[:, 1:]) / 2
    gaps = []
    for number, name in enumerate(profile.signals):
        field = together.counts[number] / together.n
        is_known = name in known
        gaps.append(
            SignalGap(
                signal=name,
                distance=float(np.abs(np.cumsum(shares[number] - field)).max()) if is_known else None,
                reference=from_reference[name],
                data=float(shares[number] @ centres[number]) if is_known else None,
                field=float(field @ centres[number]),
                limit=limit,
            )
        )
    return FieldGap(
        frames=together.n, sketches=len(sketches), signals=tuple(gaps), classes=_class_gap(data, together, bundle)
    )


def gap_findings(gap: FieldGap) -> list[Finding]:
    """What the gap means for training."""
    found = []
    apart = sorted(
        (signal for signal in gap.signals if signal.distance is not None and signal.verdict != "same"),
        key=lambda signal: -(signal.distance or 0.0),
    )
    if apart:
        named = ", ".join(f"{s.signal} {_direction(s)} (distance {s.distance:.2f})" for s in apart[:4])
        found.append(
            Finding(
                check="field gap",
                severity=Severity.HIGH if apart[0].verdict == "far" else Severity.MEDIUM,
                what=f"the field differs from the data in {len(apart)} of {len(gap.signals)} signals: {named}",
                advice="label frames of these devices, or build with --evidence, which makes training data look like "
                "what devices see",
            )
        )
    if gap.classes is not None and gap.classes > _CLASSES_APART:
        found.append(
            Finding(
                check="field gap",
                severity=Severity.NOTE,
                what=f"answers in the field are distributed otherwise than classes of the data (distance "
                f"{gap.classes:.2f} of 1)",
                advice="either the field has other classes, or the model errs there: label some of its frames",
            )
        )
    return found


def _direction(signal: SignalGap) -> str:
    if signal.data is None or math.isclose(signal.data, signal.field, rel_tol=1e-3):
        return "differs"
    return "higher" if signal.field > signal.data else "lower"


def _limit(field: int, data: int, signals: int) -> float:
    """Two-sample Kolmogorov-Smirnov distance that luck explains, with Bonferroni's correction for the signals."""
    critical = math.sqrt(math.log(2 * signals / _LEVEL) / 2)
    return max(_LEAST, critical * math.sqrt(1 / field + 1 / data) + _MARGIN)


def _profile(bundle: Bundle, sketches: Sequence[Sketch]) -> Profile:
    wanted = {sketch.profile_id for sketch in sketches}
    for artifact in bundle.manifest.artifacts.values():
        if artifact.profile is not None:
            profile = Profile.from_npz(bundle.read(artifact.profile))
            if wanted == {profile.id}:
                return profile
    raise RequestError(
        f"--against speaks of profile {', '.join(sorted(wanted))}, the bundle {bundle.directory} has another; give "
        "the bundle that the devices held"
    )


def _inputs(data: Dataset, spec: InputSpec) -> NDArray[np.float32]:
    """Inputs of at most ``MAX_EXAMPLES`` examples."""
    x, window = data.x, window_step(spec)
    try:
        if window is not None and x.ndim == len(spec.source.shape) + 1:
            x, _, _ = cut(window, as_delivered(x, spec), data.y, data.file if data.group is None else data.group)
        elif window is None:
            x = as_delivered(x, spec)
        some = np.sort(np.random.default_rng(0).permutation(len(x))[:MAX_EXAMPLES])
        return ExampleInputs(spec).batch(x[some])
    except InputError as exc:
        raise DatasetError(f"data of the audit: {exc}; expected what the bundle's source delivers") from exc


def _class_gap(data: Dataset, sketch: Sketch, bundle: Bundle) -> float | None:
    total = int(sketch.classes.sum())
    if not total or sketch.classes.size != len(data.labels) or bundle.manifest.labels != data.labels:
        return None
    of_data = np.bincount(data.y, minlength=len(data.labels)) / len(data.y)
    return float(np.abs(sketch.classes / total - of_data).sum() / 2)
