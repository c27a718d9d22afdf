"""From a recipe to a bundle: the one place that knows the order of the steps.

    data -> search, folds, pre-training -> training -> conversion -> figures, float layers where needed -> gates
         -> spiking form -> its figures and gate -> profiles and golden inputs -> report -> bundle

The same recipe, data and versions of tools give the same model, profile and golden inputs, byte for byte. The bundle's
id differs from build to build all the same: its manifest tells when it was built, report.json how long each step took.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from converter.datasets.parts import NORMAL
from converter.errors import RequestError
from converter.gates import check_names
from converter.keras_process.process import KerasProcess
from converter.measure import HeldOut
from converter.packaging import (
    Finished,
    Identity,
    Reference,
    check_output,
    finish,
    report_files,
    versions,
    waivers,
    with_threshold,
    write,
)
from converter.pipeline.converting import Candidate, Converted, converted
from converter.pipeline.learning import Learnt, calibration, check_learning, learn, more_examples
from converter.pipeline.order import BuildOrder
from converter.pipeline.reference import check_conditions, in_words, reference
from converter.pipeline.spiking import Lesson, Spiking, spiking
from converter.preparation import Prepared, prepare
from converter.profile.detectable import found_drift
from converter.progress import Progress
from converter.recipe import SpikingRecipe
from converter.report.document import REPORT_FILE, report_document
from converter.report.drift import DriftFound
from converter.report.findings import DataFound, Findings, Measured
from edge_models.bundle import Bundle
from edge_models.manifest import Provenance

__all__ = ["BuildOrder", "build", "read_report"]


def build(order: BuildOrder, progress: Progress, clock: Callable[[], float] = time.perf_counter) -> Bundle:
    """Train, convert, measure, gate and write.

    Raises:
        ConverterError: Any step failed; nothing has been written then.
    """
    check_output(order.output)
    check_names(order.allowed)
    if order.initial is not None and not order.initial.is_file():
        raise RequestError(
            f"--init {order.initial}: no such file, expected a Keras model that --keep-model has written"
        )
    watch = _Stopwatch(clock)
    with KerasProcess() as keras:
        progress.step("data", 0, 1)
        prepared = prepare(order.recipe, progress)
        progress.step("data", 1, 1, f"{len(prepared.parts.train)} to train, {len(prepared.parts.test)} to test")
        check_learning(order.recipe)
        check_conditions(order.recipe, prepared)
        watch.lap("data")
        learnt = learn(order, prepared, keras, progress, watch.lap)
        part = _test(prepared)
        ranges = calibration(learnt.order, prepared, learnt.plan, order.recipe.quantize.calibration)
        found = converted(learnt.order, keras, ranges, part, progress, clock, int8=learnt.int8)
        watch.lap("convert")
        spikes = spiking(learnt.order, keras, _lesson(learnt, prepared), found, part, progress, clock)
        watch.lap("spiking")
        made = _Made(converted=found, spiking=spikes, normal=reference(order, prepared, learnt.plan.lookalikes))
        finished = _finished(made.candidates, made.normal, progress)
        drift = _drift(made.candidates[0], finished[0], prepared, part, progress)
        watch.lap("profile")
        identity = _identity(order, prepared, made)
        report = report_document(_findings(identity, prepared, learnt, made, finished, drift, watch.laps))
        bundle = write(order.output, identity, finished, report_files(report))
        if order.kept_model is not None:
            keras.save(order.kept_model)
    return bundle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Made:
    """All forms of the model, the one that devices run first, and what shows what is normal."""

    converted: Converted
    spiking: Spiking
    normal: Reference

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return (*self.converted.candidates, *self.spiking.candidates)


def _lesson(learnt: Learnt, prepared: Prepared) -> Callable[[SpikingRecipe], Lesson]:
    """What the spiking form learns from: what the model has learnt from."""

    def made(section: SpikingRecipe) -> Lesson:
        given = learnt.order, prepared, learnt.plan
        ranges, examples = calibration(*given, section.calibration), section.examples
        inputs, y = more_examples(*given, examples) if examples else (ranges[:0], np.zeros(0, np.int64))
        return Lesson(inputs=inputs, y=y, calibration=ranges)

    return made


def _test(prepared: Prepared) -> HeldOut:
    test, data = prepared.parts.test, prepared.data
    return HeldOut(
        inputs=prepared.inputs(test),
        y=data.y[test],
        labels=data.labels,
        group=None if data.group is None else data.group[test],
        group_names=prepared.group_names,
    )


def _finished(candidates: Sequence[Candidate], normal: Reference, progress: Progress) -> tuple[Finished, ...]:
    finished = []
    for number, candidate in enumerate(candidates):
        runnable = with_threshold(candidate.runnable, normal)
        finished.append(finish(runnable, candidate.figures, normal, progress))
        progress.step("profile", number + 1, len(candidates), f"{candidate.mode}, {len(normal.y)} examples")
    return tuple(finished)


def _drift(
    candidate: Candidate, finished: Finished, prepared: Prepared, part: HeldOut, progress: Progress
) -> DriftFound | None:
    """What devices will notice, on test examples as they are when nothing is wrong."""
    if finished.profile is None:
        return None
    artifact = finished.artifact
    inputs = part.inputs if artifact.output("reconstruction") is None else part.inputs[part.y == NORMAL]
    runnable = replace(candidate.runnable, artifact=artifact)
    return found_drift(runnable, prepared.spec, finished.profile, inputs, cost=finished.cost, progress=progress)


def _identity(order: BuildOrder, prepared: Prepared, found: _Made) -> Identity:
    recipe = order.recipe
    devices = () if order.retraining is None or order.retraining.samples is None else order.retraining.devices
    return Identity(
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
            tools=versions(),
            waivers=waivers([verdict for one in found.candidates for verdict in one.verdicts]),
        ),
    )


def _findings(
    identity: Identity,
    prepared: Prepared,
    learnt: Learnt,
    found: _Made,
    finished: Sequence[Finished],
    drift: DriftFound | None,
    seconds: Mapping[str, float],
) -> Findings:
    data, parts = prepared.data, prepared.parts
    return Findings(
        identity=identity,
        artifacts={
            one.name: Measured(
                artifact=one.artifact,
                mode=candidate.mode,
                figures=candidate.figures,
                verdicts=candidate.verdicts,
                cautions=candidate.cautions,
            )
            for one, candidate in zip(finished, found.candidates, strict=True)
        },
        data=DataFound(
            y=data.y,
            group=data.group,
            group_names=prepared.group_names,
            parts={"train": parts.train, "profile": parts.profile, "test": parts.test},
            unlabelled=learnt.unlabelled,
        ),
        learning=replace(learnt.found, curves=(*learnt.found.curves, *found.spiking.curves)),
        quantisation=found.converted.found,
        spiking=found.spiking.study,
        drift=drift,
        devices=learnt.plan.findings,
        seconds=dict(seconds),
        notes=(
            *(*learnt.order.notes, *found.converted.warnings, *found.spiking.warnings),
            *filter(None, [in_words(found.normal)]),
        ),
    )


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
