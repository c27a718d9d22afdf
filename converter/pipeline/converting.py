"""From a trained model to artifacts that reach their gates: conversion, figures, and float layers where int8 fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.artifact import Role, Runnable, open_artifact
from converter.cautions import cautions
from converter.errors import ConversionError, GateError
from converter.gates import Hints, Verdict, check_gates, judge
from converter.keras_process.process import KerasProcess
from converter.measure import Figures, HeldOut, measure
from converter.pipeline.order import BuildOrder
from converter.progress import Progress, SilentProgress
from converter.quantize.convert import Conversion, convert
from converter.quantize.embedding import with_embedding
from converter.quantize.inspection import Inspection, inspect
from converter.quantize.sensitivity import LayerNoise, calibration_warning, sensitive_layers, sensitivity
from converter.recipe import GatesRecipe, Mode, Recipe
from converter.report.findings import FallbackTried, QuantisationFound

_COMPARED = 64  # test inputs for Keras against float32 TFLite
_FINENESS = frozenset({"drop", "drop_interval", "group_drop", "agreement", "sqnr_db"})  # what float layers can mend
_SILENT = SilentProgress()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One precision of the model, or another form of it.

    Attributes:
        mode: Which.
        runnable: The artifact without its files.
        figures: What was measured on it.
        verdicts: How it passed its gates.
        cautions: What its figures do not tell.
    """

    mode: str
    runnable: Runnable
    figures: Figures
    verdicts: tuple[Verdict, ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Converted:
    """All precisions that the recipe asks for.

    Attributes:
        candidates: The one that devices run first, then the others.
        float32: The file that they were measured against.
        found: How they came about, for the report.
        warnings: What the user should know.
    """

    candidates: tuple[Candidate, ...]
    float32: bytes
    found: QuantisationFound
    warnings: tuple[str, ...]


def converted(
    order: BuildOrder,
    keras: KerasProcess,
    calibration: NDArray[np.float32],
    part: HeldOut,
    progress: Progress,
    clock: Callable[[], float] | None,
    *,
    int8: bytes | None = None,
) -> Converted:
    """Convert, measure and judge; keep sensitive layers in float where that is what helps.

    Args:
        order: Recipe and allowed gates.
        keras: Holds the trained model.
        calibration: Inputs that set the ranges, (n, ...).
        part: The test part.
        progress: Told of each step.
        clock: Seconds, for the latency.
        int8: File of quantisation-aware training, in place of the one that would be made; None without it.

    Raises:
        ConversionError: TensorFlow gave up, or a file is not what its mode promises.
        GateError: Naming every gate that was missed.
    """
    work = _Work(order=order, keras=keras, calibration=calibration, part=part, progress=progress, clock=clock)
    recipe = order.recipe.quantize
    progress.step("convert", 0, 1)
    conversion = work.conversion(int8)
    sizes = ", ".join(f"{mode} {len(data)}" for mode, data in conversion.files.items())
    progress.step("convert", 1, 1, f"float32 {len(conversion.float32)} bytes, {sizes}")
    candidates = {one.mode: one for one in work.measured(conversion, tuple(conversion.files))}
    layers: tuple[LayerNoise, ...] = ()
    unmeasured: str | None = None
    tried: list[FallbackTried] = []
    kept: tuple[str, ...] = ()
    is_ours = "int8" in candidates and int8 is None  # of another file the layers are not known
    is_coarse = is_ours and _is_coarse(candidates["int8"])
    if is_coarse or (is_ours and recipe.sensitivity and not order.is_again):
        layers, unmeasured = work.noise()
    if is_coarse:
        mended = work.with_float_layers(layers, tried)
        if mended is not None:
            kept, candidates["int8"] = mended
    return Converted(
        candidates=work.checked(tuple(candidates.values()), layers),
        float32=conversion.float32,
        found=QuantisationFound(
            calibration=len(calibration),
            layers=layers,
            kept_float=kept,
            fallback=tuple(tried),
            trained=int8 is not None,
        ),
        warnings=tuple(
            text for text in (*conversion.warnings, unmeasured, calibration_warning(layers), _kept(kept)) if text
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Work:
    """What every round of conversion and measurement needs."""

    order: BuildOrder
    keras: KerasProcess
    calibration: NDArray[np.float32]
    part: HeldOut
    progress: Progress
    clock: Callable[[], float] | None

    @property
    def recipe(self) -> Recipe:
        return self.order.recipe

    def conversion(self, int8: bytes | None) -> Conversion:
        """All precisions, with the embedding beside the answer; int8 as it was trained, if it was."""
        made = self._converted()
        if int8 is None:
            return made
        shown = with_embedding(int8, self.recipe.embedding, made.float32, restores=self._restores)
        files: dict[Mode, bytes] = {**made.files, "int8": shown}
        found: dict[Mode, Inspection] = {**made.inspections, "int8": inspect(shown, "int8")}
        return dataclasses.replace(made, files=files, inspections=found)

    def _converted(self, keep_float: Sequence[str] = (), modes: Sequence[Mode] | None = None) -> Conversion:
        return convert(
            *(self.keras, self.recipe.quantize, self.calibration),
            keep_float=keep_float,
            modes=modes,
            embedding=self.recipe.embedding,
            restores=self._restores,
        )

    @property
    def _restores(self) -> bool:
        return self.recipe.task == "anomaly"

    def gates(self, mode: str) -> GatesRecipe:
        """All gates for what devices run; budgets are not for the others."""
        if mode == self.recipe.quantize.mode:
            return self.recipe.gates
        return dataclasses.replace(self.recipe.gates, size_ratio=None, size_bytes=None, latency_us=None)

    def measured(self, conversion: Conversion, modes: Sequence[Mode]) -> tuple[Candidate, ...]:
        exact = self.keras.logits(self.part.inputs[:_COMPARED])
        role: Role = "reconstruction" if self._restores else "logits"
        found = []
        for number, mode in enumerate(modes):
            data, inspection = conversion.files[mode], conversion.inspections[mode]
            roles = (role, "embedding")[: len(inspection.graph.output_dtypes)]
            runnable = open_artifact(data, inspection, mode, roles)
            figures = measure(
                data,
                conversion.float32,
                self.part,
                task=self.recipe.task,
                keras_outputs=exact,
                rng=np.random.default_rng(self.recipe.training.seed),
                clock=self.clock,
                progress=self.progress,
            )
            self.progress.step("measure", number + 1, len(modes), in_words(figures, mode))
            gates = self.gates(mode)
            found.append(
                Candidate(
                    mode=mode,
                    runnable=runnable,
                    figures=figures,
                    verdicts=judge(figures, gates, self.order.allowed),
                    cautions=cautions(figures, gates),
                )
            )
        return tuple(found)

    def noise(self) -> tuple[tuple[LayerNoise, ...], str | None]:
        """Noise of each layer, or why it is not known: a good model is not lost for it."""
        self.progress.step("layers", 0, 1)
        try:
            layers = sensitivity(self.keras, self.recipe.quantize, self.calibration)
        except ConversionError as exc:
            self.progress.step("layers", 1, 1, "not measured")
            return (), f"the noise of the layers is not known: {exc}"
        worst = min(layers, key=lambda layer: layer.sqnr_db, default=None)
        self.progress.step("layers", 1, 1, "" if worst is None else f"noisiest {worst.name}, {worst.sqnr_db:.1f} dB")
        return layers, None

    def with_float_layers(
        self, layers: Sequence[LayerNoise], tried: list[FallbackTried]
    ) -> tuple[tuple[str, ...], Candidate] | None:
        """The fewest sensitive layers in floating point with which int8 loses little enough; None if none do."""
        most = self.recipe.quantize.fallback.max_layers
        names = {layer.tensor: layer.name for layer in layers}
        for count in range(1, most + 1):
            kept = sensitive_layers(layers, count)
            if len(kept) < count:
                break
            conversion = self._converted(keep_float=kept, modes=("int8",))
            candidate = dataclasses.replace(self, progress=_SILENT).measured(conversion, ("int8",))[0]
            self.progress.step("fallback", count, most, in_words(candidate.figures, "int8"))
            drop, shown = candidate.figures.overall.drop, tuple(names[tensor] for tensor in kept)
            is_taken = not _is_coarse(candidate)
            tried.append(
                FallbackTried(
                    layers=shown,
                    drop=None if drop is None else drop.value,
                    size_bytes=candidate.figures.size_bytes,
                    taken=is_taken,
                )
            )
            if is_taken:
                return shown, candidate
        return None

    def checked(self, candidates: Sequence[Candidate], layers: Sequence[LayerNoise]) -> tuple[Candidate, ...]:
        """The candidates with their final verdicts."""
        noisy = sorted(layers, key=lambda layer: layer.sqnr_db)
        hints = Hints(
            calibration=len(self.calibration),
            noisy_layers=tuple(f"{layer.name} ({layer.sqnr_db:.1f} dB)" for layer in noisy),
        )
        found, missed = [], []
        for candidate in candidates:
            try:
                verdicts = check_gates(candidate.figures, self.gates(candidate.mode), self.order.allowed, hints)
            except GateError as exc:
                missed.append(str(exc) if candidate.mode == candidates[0].mode else f"{candidate.mode}: {exc}")
            else:
                found.append(dataclasses.replace(candidate, verdicts=verdicts))
        if missed:
            raise GateError(" | ".join(missed))
        return tuple(found)


def in_words(figures: Figures, mode: str) -> str:
    """The metric of an artifact and of its float32 reference."""
    exact = figures.overall.float32
    beside = "" if exact is None else f", float32 {exact.value:.4f}"
    return f"{figures.metric}: {mode} {figures.overall.artifact.value:.4f}{beside}"


def _is_coarse(candidate: Candidate) -> bool:
    """Whether it misses a gate that finer arithmetic can mend."""
    return any(v.gate in _FINENESS and not v.ok and not v.waived for v in candidate.verdicts)


def _kept(names: Sequence[str]) -> str | None:
    return f"kept in floating point, because int8 alone loses too much: {', '.join(names)}" if names else None
