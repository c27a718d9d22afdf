"""How a retraining learns: the original data made to look like what the devices see, and what they delivered.

For each device a ``Lookalike`` is searched for; a sketch belongs to the device whose samples it resembles most. Data
that are no pictures are learnt from as delivered.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import Corruption, Images, from_unit, to_unit
from converter.errors import RequestError
from converter.evidence.likeness import histogram_distance
from converter.evidence.lookalike import Evidence, Lookalike, find_lookalike
from converter.evidence.search import moving
from converter.progress import Progress
from converter.recipe import Recipe, TrainingRecipe
from converter.request import Retraining, Samples
from converter.training.mix import EpochSource, Lesson, mixed_epochs, plain_epochs
from edge_models.manifest import InputSpec
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import input_signals_batch
from edge_models.sketch import Sketch

MIN_EPOCH = 3840  # examples: a small data set is dealt more than once, so that an epoch means the same amount of work
MAX_COMPARED = 4000  # original frames that lookalikes are searched with
_OWN = 0.25  # mean distance of histograms up to which a sketch is of the device that delivered the samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to learn from.

    Attributes:
        epochs: Makes the examples.
        findings: What was found out about each device, for the report.
        lookalikes: What makes pictures like those of the devices, where it makes good ones.
    """

    epochs: EpochSource
    findings: tuple[dict[str, Any], ...]
    lookalikes: tuple[Lookalike, ...] = ()


def retraining_schedule(recipe: Recipe) -> TrainingRecipe:
    """The training section with the effort of a retraining; the blind arm has the same."""
    return dataclasses.replace(
        recipe.training, epochs=recipe.retrain.epochs, learning_rate=recipe.retrain.learning_rate
    )


def blind_plan(x: NDArray[Any], y: NDArray[np.int64], recipe: Recipe) -> Plan:
    """As many examples as a retraining sees, of the original data with the recipe's own augmentation."""
    epochs = plain_epochs(x, y, recipe.augment, recipe.input.value_range, max(len(y), MIN_EPOCH))
    return Plan(epochs=epochs, findings=())


def retraining_plan(
    x: NDArray[Any],
    y: NDArray[np.int64],
    retraining: Retraining,
    recipe: Recipe,
    spec: InputSpec,
    progress: Progress,
) -> Plan:
    """Epochs of original, lookalike and delivered frames.

    Args:
        x: Original frames to train on.
        y: Their classes.
        retraining: What devices saw and delivered.
        recipe: The recipe.
        spec: Input of the model.
        progress: Told after each device.

    Raises:
        RequestError: The samples are not what the model's source delivers.
    """
    _check_samples(x, 2 if recipe.task == "anomaly" else int(y.max()) + 1, retraining)
    if recipe.task == "anomaly":
        retraining = _normal_only(retraining)
    pictures = _Pictures(like=x, value_range=recipe.input.value_range, spec=spec) if spec.kind == "image" else None
    devices = _devices(x[:0], retraining, pictures)
    rng = np.random.default_rng(recipe.training.seed)
    some = rng.permutation(len(y))[:MAX_COMPARED]
    lessons: list[Lesson] = []
    for number, device in enumerate(devices):
        known = [lesson.lookalike for lesson in lessons if lesson.lookalike is not None]
        lookalike = None
        if pictures is not None:
            lookalike = find_lookalike(
                Evidence(samples=pictures.unit(device.frames), labels=device.labels, sketch=device.sketch),
                *(pictures.unit(x[some]), y[some]),
                signals=pictures.signals,
                known=known,
                budget=recipe.retrain.search,
                rng=rng,
            )
        lessons.append(Lesson(samples=device.frames, labels=device.labels, lookalike=lookalike))
        progress.step("match", number + 1, len(devices), _in_words(lookalike))
    epochs = mixed_epochs(
        *(x, y, lessons, recipe.augment, recipe.input.value_range),
        clean_share=recipe.retrain.clean_share,
        size=max(len(y), MIN_EPOCH),
    )
    return Plan(
        epochs=epochs,
        findings=tuple(_finding(lesson) for lesson in lessons),
        lookalikes=tuple(lesson.lookalike for lesson in lessons if lesson.lookalike_share and lesson.lookalike),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pictures:
    """Frames of one source as pictures in 0..1, and back to what the model sees of them."""

    like: NDArray[Any]
    value_range: tuple[float, float]
    spec: InputSpec

    def unit(self, frames: NDArray[Any]) -> Images:
        return to_unit(frames, self.value_range)

    def signals(self, images: Images) -> NDArray[np.float64]:
        frames = from_unit(images, self.like, self.value_range)
        return input_signals_batch(self.spec.kind, Preprocessor(self.spec).batch(frames))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Device:
    frames: NDArray[Any]
    labels: NDArray[np.int64]
    sketch: tuple[Sketch, Profile] | None


def _devices(no_frames: NDArray[Any], retraining: Retraining, pictures: _Pictures | None) -> list[_Device]:
    """Each device that delivered samples, with the sketch that they resemble; then those with a sketch only."""
    left = [] if retraining.profile is None else [(sketch, retraining.profile) for sketch in retraining.sketches]
    found = []
    for frames, labels in _by_group(retraining.samples):
        own = None
        if pictures is not None and left:
            signals = pictures.signals(pictures.unit(frames))
            distances = [histogram_distance(signals, *pair) for pair in left]
            if min(distances) < _OWN:
                own = left.pop(int(np.argmin(distances)))
        found.append(_Device(frames=frames, labels=labels, sketch=own))
    none = np.zeros(0, np.int64)
    return found + [_Device(frames=no_frames, labels=none, sketch=pair) for pair in left]


def _by_group(samples: Samples | None) -> list[tuple[NDArray[Any], NDArray[np.int64]]]:
    if samples is None:
        return []
    members = [np.flatnonzero(samples.group == group) for group in np.unique(samples.group)]
    return [(samples.x[chosen], samples.y[chosen]) for chosen in members]


def _normal_only(retraining: Retraining) -> Retraining:
    """The same without anomalous samples: what is not normal must not be learnt to be copied."""
    samples = retraining.samples
    if samples is None:
        return retraining
    normal = samples.y == 0
    kept = Samples(x=samples.x[normal], y=samples.y[normal], group=samples.group[normal])
    return dataclasses.replace(retraining, samples=kept if len(kept.y) else None)


def _check_samples(x: NDArray[Any], classes: int, retraining: Retraining) -> None:
    samples = retraining.samples
    if samples is None:
        return
    if samples.x.shape[1:] != x.shape[1:] or samples.x.dtype != x.dtype:
        raise RequestError(
            f"--samples: found frames {samples.x.dtype}{list(samples.x.shape[1:])}, "
            f"expected {x.dtype}{list(x.shape[1:])} as in the training data"
        )
    if len(samples.y) and not 0 <= int(samples.y.min()) <= int(samples.y.max()) < classes:
        raise RequestError(
            f"--samples: found labels {samples.y.min()} to {samples.y.max()}, expected 0 to {classes - 1}"
        )


def _finding(lesson: Lesson) -> dict[str, Any]:
    finding: dict[str, Any] = {"samples": len(lesson.labels)}
    if lesson.lookalike is not None:
        finding["lookalike"] = _setting(lesson.lookalike.corruption)
        finding["instead"] = [_setting(other) for other in lesson.lookalike.instead]
        finding["pixel_map"] = lesson.lookalike.pixel_map is not None
        finding["distance"] = round(lesson.lookalike.distance, 4)
    return finding


def _in_words(lookalike: Lookalike | None) -> str:
    if lookalike is None:
        return "samples as delivered"
    setting = ", ".join(f"{name} {value:g}" for name, value in _setting(lookalike.corruption).items())
    pixels = " with a map of pixels" if lookalike.pixel_map is not None else ""
    return f"{setting or 'no camera setting'}{pixels}, distance {lookalike.distance:.2f}"


def _setting(corruption: Corruption) -> dict[str, float]:
    return {name: round(getattr(corruption, name), 3) for name in moving(corruption)}
