"""From a recipe to a bundle: the one place that knows the order of the steps.

The same recipe, data and versions of tools give the same model, profile and golden inputs, byte for byte. The bundle's
id differs from build to build all the same: its manifest tells when it was built, report.json how long each step took.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.artifact import (
    INT8_ARTIFACT,
    MODEL_FILE,
    PROBE_FILE,
    PROFILE_FILE,
    Int8Artifact,
    open_int8,
    probe_npz,
    profile_npz,
)
from converter.datasets.split import stratified
from converter.errors import OutputError, RequestError
from converter.gates import check_gates
from converter.keras_process.process import KerasProcess
from converter.measure import Figures, HeldOut, measure
from converter.preparation import Prepared, prepare
from converter.progress import Progress
from converter.quantize.convert import Conversion, convert
from converter.recipe import Recipe
from converter.report.report import report_json
from converter.request import Retraining
from converter.retraining import Plan, blind_plan, retraining_plan, retraining_schedule
from converter.training.fit import Curve, fit
from converter.training.mix import plain_epochs
from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.manifest import FORMAT_VERSION, MANIFEST_NAME, Manifest, Provenance

REPORT_FILE = "report.json"
_COMPARED = 64  # test inputs for Keras against float32 TFLite
_TOOLS = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "driftline")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """What to build.

    Attributes:
        recipe: The recipe with all overrides.
        output: Directory of the bundle.
        retraining: What devices saw and delivered; None for a first training.
        is_blind: Train with the effort of a retraining, but without what devices saw and delivered.
        parent: The bundle that this one replaces.
        answers: Requests that it answers.
        initial: Keras model to start from; None for random weights.
        kept_model: Where to keep the Keras model; None to drop it.
        created: RFC 3339 time of the build.
    """

    recipe: Recipe
    output: Path
    retraining: Retraining | None
    is_blind: bool
    parent: Bundle | None
    answers: tuple[str, ...]
    initial: Path | None
    kept_model: Path | None
    created: str


def build(order: BuildOrder, progress: Progress, clock: Callable[[], float] = time.monotonic) -> Bundle:
    """Train, convert, measure, gate and write.

    Raises:
        ConverterError: Any step failed; nothing has been written then.
    """
    check_output(order.output)
    if order.initial is not None and not order.initial.is_file():
        raise RequestError(
            f"--init {order.initial}: no such file, expected a Keras model that --keep-model has written"
        )
    watch = _Stopwatch(clock)
    with KerasProcess() as keras:
        progress.step("data", 0, 1)
        prepared = prepare(order.recipe)
        progress.step("data", 1, 1, f"{len(prepared.parts.train)} to train, {len(prepared.parts.test)} to test")
        watch.lap("data")
        plan = _plan(order, prepared, progress)
        watch.lap("match")
        curve = _trained(order, prepared, plan, keras, progress)
        watch.lap("train")
        progress.step("convert", 0, 1)
        converted = convert(keras, order.recipe.quantize, _calibration(order, prepared, plan), modes=("int8",))
        progress.step("convert", 1, 1, f"{len(converted.float32)} -> {len(converted.files['int8'])} bytes")
        watch.lap("convert")
        int8 = open_int8(converted.files["int8"])
        figures = _measured(order, keras, converted, prepared)
        watch.lap("measure")
        progress.step("measure", 1, 1, f"{figures.metric} {figures.overall.artifact.value:.4f}")
        check_gates(figures, order.recipe.gates)
        files = _files(order.recipe, int8, prepared, figures, curve, plan, watch)
        bundle = write_bundle(order.output, _manifest(order, int8, prepared, figures, files), files)
        if order.kept_model is not None:
            keras.save(order.kept_model)
    return bundle


def _measured(order: BuildOrder, keras: KerasProcess, converted: Conversion, prepared: Prepared) -> Figures:
    """Figures of the test split: float32 and int8 both through the runtime of the device."""
    data, test = prepared.data, prepared.parts.test
    part = HeldOut(
        inputs=prepared.inputs(test),
        y=data.y[test],
        labels=data.labels,
        group=None if data.group is None else data.group[test],
    )
    return measure(
        converted.files["int8"],
        converted.float32,
        part,
        task=order.recipe.task,
        keras_outputs=keras.logits(part.inputs[:_COMPARED]),
        rng=np.random.default_rng(order.recipe.training.seed),
        clock=time.perf_counter,
    )


def _plan(order: BuildOrder, prepared: Prepared, progress: Progress) -> Plan:
    recipe = order.recipe
    x, y = prepared.data.x[prepared.parts.train], prepared.data.y[prepared.parts.train]
    if order.is_blind:
        return blind_plan(x, y, recipe)
    if order.retraining is not None:
        return retraining_plan(x, y, order.retraining, recipe, prepared.spec, progress)
    return Plan(epochs=plain_epochs(x, y, recipe.augment, recipe.input.value_range), findings=())


def _trained(order: BuildOrder, prepared: Prepared, plan: Plan, keras: KerasProcess, progress: Progress) -> Curve:
    recipe = order.recipe
    schedule = recipe.training
    if order.is_blind or order.retraining is not None:
        schedule = retraining_schedule(recipe)
    shape, classes = prepared.preprocess.output_shape, len(prepared.data.labels)
    progress.step("train", 0, schedule.epochs, "loading TensorFlow")
    if order.initial is None:
        keras.create(recipe.network, shape, classes, seed=schedule.seed)
    else:
        keras.load(order.initial, shape, classes, seed=schedule.seed)
    validation = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    return fit(keras, plan.epochs, validation, prepared.preprocess, schedule, progress)


def _calibration(order: BuildOrder, prepared: Prepared, plan: Plan) -> NDArray[np.float32]:
    """Inputs that set the ranges of the activations, from what the model has learnt from."""
    recipe, train = order.recipe, prepared.parts.train
    if order.retraining is None or order.is_blind:
        frames, y = prepared.data.x[train], prepared.data.y[train]
    else:
        frames, y, _ = plan.epochs(0, np.random.default_rng(recipe.training.seed))
    return prepared.preprocess.batch(frames[stratified(y, recipe.quantize.calibration, seed=0)])


def _files(
    recipe: Recipe,
    int8: Int8Artifact,
    prepared: Prepared,
    figures: Figures,
    curve: Curve,
    plan: Plan,
    watch: _Stopwatch,
) -> dict[str, bytes]:
    held_out = np.concatenate([prepared.parts.profile, prepared.parts.test])  # the more, the surer the reference
    inputs, y = prepared.inputs(held_out), prepared.data.y[held_out]
    files = {
        MODEL_FILE: int8.data,
        PROFILE_FILE: profile_npz(int8, prepared.spec, inputs, len(prepared.data.labels)),
        PROBE_FILE: probe_npz(int8, inputs, y),
    }
    watch.lap("profile")
    files[REPORT_FILE] = report_json(recipe, figures, curve, prepared, plan, watch.laps)
    return files


def _manifest(
    order: BuildOrder, int8: Int8Artifact, prepared: Prepared, figures: Figures, files: dict[str, bytes]
) -> Manifest:
    recipe = order.recipe
    devices = () if order.retraining is None or order.retraining.samples is None else order.retraining.devices
    return Manifest(
        format_version=FORMAT_VERSION,
        model=recipe.model,
        version=recipe.version,
        serial=recipe.serial,
        task=recipe.task,
        labels=prepared.data.labels,
        input=prepared.spec,
        provenance=Provenance(
            recipe=recipe.name,
            recipe_sha256=recipe.sha256,
            data_sha256=prepared.data.sha256,
            parent=order.parent.id if order.parent else None,
            answers=order.answers,
            contributors=devices,
            created=order.created,
            tools=_versions(),
        ),
        files=file_entries(files),
        artifacts={INT8_ARTIFACT: int8.measured(figures)},
    )


def check_output(directory: Path) -> None:
    """Say before the work, not after it, that ``directory`` cannot take a bundle.

    Raises:
        OutputError: It is a file, holds something else than a bundle, or cannot be made.
    """
    existing = next(path for path in (directory, *directory.parents, Path.cwd()) if path.exists())
    if not existing.is_dir():
        raise OutputError(f"--output {directory}: {existing} is a file, expected a directory to write the bundle to")
    if existing == directory and any(directory.iterdir()) and not (directory / MANIFEST_NAME).is_file():
        raise OutputError(f"--output {directory}: found other files in it, expected an empty directory or a bundle")
    writable = directory.absolute().parent if existing == directory else existing  # it is replaced, not written into
    if not os.access(writable, os.W_OK):
        raise OutputError(f"--output {directory}: {writable} cannot be written to; choose another directory")


def _versions() -> dict[str, str]:
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class _Stopwatch:
    """Seconds of each step."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End the step ``name``."""
        now = self._clock()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


def read_report(bundle: Bundle) -> dict[str, Any]:
    """report.json of a bundle that this converter built; empty for others."""
    if REPORT_FILE not in bundle.manifest.files:
        return {}
    document: dict[str, Any] = json.loads(bundle.read(REPORT_FILE))
    return document
