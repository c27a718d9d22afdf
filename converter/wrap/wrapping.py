"""Wrap a .tflite file: fit the data to it, measure it, take its profile and golden inputs, write the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from converter.artifact import Runnable, open_artifact
from converter.cautions import cautions
from converter.errors import DatasetError, RecipeError
from converter.gates import Verdict, check_gates, check_names
from converter.measure import Figures, HeldOut, measure
from converter.measure.measuring import Task
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
from converter.profile.detectable import found_drift
from converter.progress import Progress
from converter.recipe import Recipe
from converter.report.document import report_document
from converter.report.drift import DriftFound
from converter.report.findings import Findings, Measured
from converter.wrap.examples import Labelled, read_labelled
from converter.wrap.fitting import Fit, Kind, fits
from converter.wrap.model import ANOMALY_LABELS, AnswerRole, ForeignModel, read_model
from converter.wrap.trying import best_fit, part_of
from edge_models.bundle import Bundle
from edge_models.manifest import Provenance
from edge_models.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapOrder:
    """What to wrap.

    Attributes:
        file: The .tflite file.
        recipe: Data, labels, gates, and what the bundle is called.
        output: Directory of the bundle.
        kind: What frames are; guessed when None.
        steps: What to do to frames; guessed when None.
        role: What the answer is; found out when None.
        allowed: Gates that it may miss.
        created: RFC 3339 time.
    """

    file: Path
    recipe: Recipe
    output: Path
    kind: Kind | None
    steps: tuple[Step, ...] | None
    role: AnswerRole | None
    allowed: tuple[str, ...]
    created: str


def wrap(order: WrapOrder, progress: Progress, clock: Callable[[], float]) -> Bundle:
    """Fit, measure, gate and write.

    Raises:
        ConverterError: Any step failed; nothing has been written then.
    """
    check_output(order.output)
    check_names(order.allowed)
    recipe = order.recipe
    if recipe.spiking is not None:
        raise RecipeError(
            "wrap: found section spiking, which starts from a trained Keras model and not from a .tflite file; "
            "use driftline-convert import with the model"
        )
    progress.step("data", 0, 1)
    data = read_labelled(recipe.dataset, recipe.training.seed, progress)
    progress.step("data", 1, 1, f"{len(data.y)} examples")
    model = read_model(order.file, len(data.labels) or None, order.role)
    task = _task(model)
    labels = ANOMALY_LABELS if task == "anomaly" else data.labels
    _check_labels(data, labels)
    ways = fits(model.input, data, order.kind, order.steps)
    fit = best_fit(ways, model, data, labels, recipe.training.seed, progress)
    part = part_of(fit, data, labels)
    figures = _measured(model, part, recipe, clock, progress)
    progress.step("measure", 1, 1, f"{figures.metric} {figures.overall.artifact.value:.4f}")
    verdicts = check_gates(figures, recipe.gates, order.allowed)
    reference = _reference(fit, part, task)
    runnable = open_artifact(model.data, model.inspection, model.form, model.roles)
    finished = finish(with_threshold(runnable, reference), figures, reference, progress)
    progress.step("profile", 1, 1, f"{len(reference.y)} examples")
    identity = _identity(order, fit, labels, data, verdicts, task)
    measured = Measured(
        artifact=finished.artifact,
        mode=model.form,
        figures=figures,
        verdicts=verdicts,
        cautions=cautions(figures, recipe.gates),
    )
    report = report_document(
        Findings(
            identity=identity,
            artifacts={finished.name: measured},
            drift=_drift(replace(runnable, artifact=finished.artifact), finished, reference, progress),
            notes=_said(model, fit, part),
        )
    )
    return write(order.output, identity, [finished], report_files(report))


def _drift(runnable: Runnable, finished: Finished, reference: Reference, progress: Progress) -> DriftFound | None:
    """What devices will notice, on the examples of the profile: there are no others."""
    if finished.profile is None:
        return None
    return found_drift(
        runnable, reference.spec, finished.profile, reference.inputs, cost=finished.cost, progress=progress
    )


def _check_labels(data: Labelled, labels: tuple[str, ...]) -> None:
    if not 0 <= int(data.y.min()) <= int(data.y.max()) < len(labels):
        raise DatasetError(
            f"{data.where}: found labels {data.y.min()} to {data.y.max()}, expected 0 to {len(labels) - 1} "
            f"for {labels[0]} to {labels[-1]}; number the classes as --labels lists them"
        )


def _measured(
    model: ForeignModel, part: HeldOut, recipe: Recipe, clock: Callable[[], float], progress: Progress
) -> Figures:
    return measure(
        model.data,
        None,
        part,
        task=_task(model),
        keras_outputs=None,
        rng=np.random.default_rng(recipe.training.seed),
        clock=clock,
        output=model.answer,
        progress=progress,
    )


def _task(model: ForeignModel) -> Task:
    return "anomaly" if model.role == "reconstruction" else "classification"


def _reference(fit: Fit, part: HeldOut, task: Task) -> Reference:
    """What shows the normal state: everything, or the normal examples alone."""
    chosen = part.y == 0 if task == "anomaly" else np.ones(len(part.y), np.bool_)
    return Reference(spec=fit.spec, inputs=part.inputs[chosen], y=part.y[chosen], classes=len(part.labels))


def _identity(
    order: WrapOrder,
    fit: Fit,
    labels: tuple[str, ...],
    data: Labelled,
    verdicts: Sequence[Verdict],
    task: Task,
) -> Identity:
    recipe = order.recipe
    return Identity(
        model=recipe.model,
        version=recipe.version,
        serial=recipe.serial,
        task=task,
        labels=labels,
        input=fit.spec,
        provenance=Provenance(
            recipe=recipe.name,
            recipe_sha256=recipe.sha256,
            data_sha256=data.sha256,
            created=order.created,
            tools=versions(),
            waivers=waivers(verdicts),
        ),
    )


def _said(model: ForeignModel, fit: Fit, part: HeldOut) -> tuple[str, ...]:
    source = f"{fit.spec.kind} {fit.spec.source.dtype}{list(fit.spec.source.shape)}"
    meaning = (
        "the copy of its input" if model.role == "reconstruction" else f"{model.role} of {len(part.labels)} labels"
    )
    islands = model.inspection.float_ops
    said = [
        f"input: {source} to {model.input.dtype}{list(model.input.shape)}, {fit.said}",
        f"answer: {meaning}, from output {model.answer + 1} of {len(model.roles)}",
        f"runs on {' or '.join(model.inspection.runtimes)}",
    ]
    return (*said, f"stays in floating point: {', '.join(islands)}") if islands else tuple(said)
