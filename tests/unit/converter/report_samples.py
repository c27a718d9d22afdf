"""Findings of builds that never were, with everything that a report can tell."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from converter.cautions import cautions
from converter.gates import judge
from converter.measure.anomaly import score_histogram
from converter.measure.auc import compare_auc
from converter.measure.classes import class_figures, confusion_matrix
from converter.measure.figures import Figures, GroupFigures, Latency
from converter.measure.proportion import compare_accuracy
from converter.quantize.sensitivity import LayerNoise
from converter.recipe import GatesRecipe
from converter.report import (
    ConditionFound,
    CostFound,
    CurveFound,
    DataFound,
    DriftFound,
    EstimatesFound,
    FallbackTried,
    Findings,
    LabelPoint,
    LearningFound,
    Measured,
    QuantisationFound,
    TrialFound,
)
from converter.spiking.early_exit import EarlyExit
from converter.spiking.energy import COSTS, energy_estimate
from converter.spiking.faults import FAULTS, SHARES, FaultFound, Robustness
from converter.spiking.operations import LayerOperations, Operations
from converter.spiking.study import SpikingStudy
from edge_models.drift.detectability import Detectable
from edge_models.manifest import Artifact, InputSpec, OutputSpec, Probe, Provenance, Requires, Tolerance
from edge_models.tensors import QuantParams, TensorSpec
from tests.factories.bundles import INPUT

LABELS = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SPEAKERS = ("george", "jackson", "nicolas", "theo")
LATENCY = Latency(
    runtime="ai-edge-litert 2.3.0",
    rounds=300,
    median_us=63.1,
    p95_us=71.0,
    float_median_us=142.4,
    float_p95_us=180.2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleIdentity:
    """What a bundle says of itself."""

    model: str
    version: str
    serial: int
    task: Literal["classification", "anomaly"]
    labels: tuple[str, ...]
    input: InputSpec
    provenance: Provenance


def identity(task: Literal["classification", "anomaly"] = "classification") -> SampleIdentity:
    return SampleIdentity(
        model="clothes",
        version="1.2",
        serial=3,
        task=task,
        labels=LABELS if task == "classification" else ("normal", "anomaly"),
        input=INPUT,
        provenance=Provenance(
            recipe="fashion_mnist",
            recipe_sha256="ab" * 32,
            data_sha256="cd" * 32,
            created="2026-11-22T12:00:00Z",
            tools={"tensorflow-cpu": "2.21.0", "keras": "3.15.1", "ai-edge-litert": "2.3.0", "numpy": "2.4.6"},
        ),
    )


def artifact(mode: str, role: Literal["logits", "reconstruction"] = "logits") -> Artifact:
    quant = QuantParams(scale=0.1, zero_point=0)
    spec = TensorSpec(shape=(10,) if role == "logits" else (784,), dtype="int8", quant=quant)
    return Artifact(
        engine="tflite",
        file=f"model.{mode}.tflite",
        requires=Requires(
            runtimes=("ai-edge-litert", "tflite-runtime"), ops={"CONV_2D": 3, "FULLY_CONNECTED": 4, "MEAN": 2}
        ),
        input=TensorSpec(shape=(28, 28, 1), dtype="int8", quant=quant),
        outputs=(OutputSpec(name=role, role=role, spec=spec),),
        profile=None,
        probe=Probe(file=f"{mode}-probe.npz", count=32),
        tolerance=Tolerance(exact_lsb=1, delegate_lsb=8, top1_agreement=0.9),
        threshold=1.9 if role == "reconstruction" else None,
    )


@functools.cache
def accuracy_figures(n: int = 9985, flips: float = 0.012) -> Figures:
    rng = np.random.default_rng(7)
    y = rng.integers(0, 10, n)
    exact = np.where(rng.random(n) < 0.915 - 0.2 * (y == 6), y, (y + rng.integers(1, 10, n)) % 10)
    given = np.where(rng.random(n) < flips, rng.integers(0, 10, n), exact)
    group = rng.integers(0, 4, n)
    confusion, float_confusion = confusion_matrix(y, given, 10), confusion_matrix(y, exact, 10)
    right, float_right = given == y, exact == y
    return Figures(
        metric="accuracy",
        n=n,
        overall=compare_accuracy(right, float_right, rng),
        lost=int((float_right & ~right).sum()),
        won=int((right & ~float_right).sum()),
        groups=tuple(
            GroupFigures(
                name=name,
                n=int((group == number).sum()),
                overall=compare_accuracy(right[group == number], float_right[group == number], rng),
            )
            for number, name in enumerate(SPEAKERS)
        ),
        classes=class_figures(confusion, float_confusion, LABELS),
        confusion=tuple(map(tuple, confusion.tolist())),
        agreement=float((given == exact).mean()),
        sqnr_db=24.3,
        float_difference=3.1e-6,
        size_bytes=64_120,
        float_bytes=208_460,
        latency=LATENCY,
    )


@functools.cache
def auc_figures(n: int = 600) -> Figures:
    rng = np.random.default_rng(8)
    y = (rng.random(n) < 0.3).astype(np.int64)
    exact = np.exp(0.5 * rng.normal(size=n) + 0.9 * y)
    given = exact * np.exp(0.1 * rng.normal(size=n))
    return Figures(
        metric="auc",
        n=n,
        overall=compare_auc(given, exact, y, rng),
        scores=score_histogram(given, exact, y),
        sqnr_db=21.0,
        float_difference=3.1e-6,
        size_bytes=12_120,
        float_bytes=31_460,
        latency=LATENCY,
    )


def measured(mode: str, figures: Figures, gates: GatesRecipe, allowed: tuple[str, ...] = ()) -> Measured:
    role: Literal["logits", "reconstruction"] = "logits" if figures.metric == "accuracy" else "reconstruction"
    return Measured(
        artifact=artifact(mode, role),
        mode=mode,
        figures=figures,
        verdicts=judge(figures, gates, allowed),
        cautions=cautions(figures, gates),
    )


def layers() -> tuple[LayerNoise, ...]:
    rng = np.random.default_rng(9)
    names = ("conv2d", "block_1/depthwise_conv2d", "block_1/conv2d", "block_2/conv2d", "embedding", "logits")
    made = []
    for number, name in enumerate(names):
        values = rng.normal(size=4000) * (number + 1) if number % 2 else np.abs(rng.normal(size=4000))
        counts, edges = np.histogram(values, 32)
        made.append(
            LayerNoise(
                name=name,
                tensor=f"model/{name}/BiasAdd",
                op="CONV_2D",
                sqnr_db=(38.0, 12.4, 31.0, 27.5, 33.0, 29.0)[number],
                rmse_over_scale=0.3 + 0.1 * number,
                removable=0.001,
                scale=0.02,
                zero_point=-128,
                low=float(edges[0]),
                high=float(edges[-1]),
                half_range=0.97,
                histogram=tuple(int(found) for found in counts),
            )
        )
    return tuple(made)


def learning() -> LearningFound:
    epochs = range(1, 13)
    rng = np.random.default_rng(10)
    return LearningFound(
        network="resnet8",
        parameters=78_042,
        curves=(
            CurveFound(stage="pretrain", loss=tuple(4 * math.exp(-0.2 * epoch) + 2 for epoch in epochs)),
            CurveFound(
                stage="train",
                loss=tuple(2.2 * math.exp(-0.3 * epoch) for epoch in epochs),
                accuracy=tuple(0.92 - 0.4 * math.exp(-0.35 * epoch) for epoch in epochs),
                validation_loss=tuple(2.0 * math.exp(-0.3 * epoch) + 0.004 * epoch**1.5 for epoch in epochs),
                best=9,
            ),
        ),
        folds=(0.912, 0.905, 0.921, 0.899, 0.915),
        trials=tuple(
            TrialFound(
                value=None if number == 3 else float(0.85 + 0.05 * rng.random()),
                settings={"training.learning_rate": float(10 ** (-2 - rng.random())), "network.dropout": 0.2},
            )
            for number in range(14)
        ),
        label_curve=tuple(
            LabelPoint(
                per_class=count,
                seed=seed,
                method=method,
                value=float(base + 0.06 * math.log10(count) + 0.01 * rng.normal()),
            )
            for method, base in (("from scratch", 0.62), ("pre-trained", 0.70))
            for count in (5, 10, 50, 100)
            for seed in range(1, 6)
        ),
    )


def data() -> DataFound:
    rng = np.random.default_rng(11)
    order = rng.permutation(60_000)
    return DataFound(
        y=rng.integers(0, 10, 60_000),
        group=rng.integers(0, 4, 60_000),
        group_names=SPEAKERS,
        parts={"train": order[:45_000], "profile": order[45_000:50_000], "test": order[50_000:]},
        unlabelled=20_000,
    )


def spiking_study(coding: Literal["atf", "radix", "if"] = "atf") -> SpikingStudy:
    macs, acs = ((55e3, 394e3, 305.0), (0.0, 0.0, 0.0)) if coding == "atf" else ((55e3, 0.0, 0.0), (0.0, 8.3e5, 610.0))
    operations = Operations(
        examples=64,
        steps=4,
        footprint_bytes=100_152,
        connection_sparsity=0.0114,
        activation_sparsity=0.63,
        input_macs=55e3,
        unary_acs=8.39e6 if coding == "atf" else sum(acs),
        layers=tuple(
            LayerOperations(
                name=name,
                neurons=neurons,
                rate=0.09,
                activation_sparsity=0.63,
                dense_macs=dense,
                effective_macs=values,
                effective_acs=spikes,
            )
            for name, neurons, dense, values, spikes in zip(
                ("conv2d", "conv2d_1", "logits"), (12_544, 6_272, 0), (112_896, 903_168, 1_280), macs, acs, strict=True
            )
        ),
    )
    exits = (
        EarlyExit(margin=None, accuracy=0.912, steps=4.0),
        EarlyExit(margin=2_310, accuracy=0.911, steps=3.1),
        EarlyExit(margin=880, accuracy=0.904, steps=2.24),
    )
    return SpikingStudy(
        coding=coding,
        levels=15 if coding == "radix" else 4,
        operations=operations,
        energy=tuple(energy_estimate(operations, costs) for costs in COSTS),
        robustness=Robustness(
            examples=400,
            seeds=5,
            spiking=0.9125,
            int8=0.9175,
            faults=tuple(
                FaultFound(
                    fault=fault,
                    share=share,
                    spiking=0.91 - share,
                    spiking_low=0.9 - 2 * share,
                    int8=0.917 - 0.9 * share,
                    int8_low=0.9 - 2 * share,
                )
                for fault in FAULTS
                for share in SHARES
            ),
        ),
        early_exits=exits if coding == "if" else (),
    )


@functools.cache
def spiking() -> Findings:
    return replace(classification(), spiking=spiking_study())


def drift_found() -> DriftFound:
    within = (100, 1000)
    signals = (
        Detectable(signal="mean", within=within, shift_sd=(0.93, 0.31), shift=(0.0744, 0.0248)),
        Detectable(signal="sharp", within=within, shift_sd=(None, 0.54), shift=(None, 0.2)),
        Detectable(signal="border", within=within, shift_sd=(None, None), shift=(None, None)),
    )
    whole = EstimatesFound(family="", windows=84, worst=0.52, error=0.031, covered=0.9, confidence_error=0.048)
    blur = EstimatesFound(family="blur", windows=36, worst=0.52, error=0.04, covered=0.83, confidence_error=0.09)
    noise = EstimatesFound(family="noise", windows=36, worst=0.7, error=0.02, covered=0.97, confidence_error=0.03)
    return DriftFound(
        false_alarms_per_month=1.0,
        rate_hz=1.0,
        frames=500,
        signals=signals,
        conditions=(ConditionFound(name="reference", frames=1200), ConditionFound(name="night", frames=300)),
        cost=CostFound(accuracy=0.91, whole=whole, families=(blur, noise)),
    )


@functools.cache
def classification() -> Findings:
    int8 = accuracy_figures()
    float16 = replace(accuracy_figures(flips=0.0005), size_bytes=110_200, sqnr_db=61.0)
    limits = GatesRecipe(size_ratio=0.5, latency_us=200, metric=0.85)
    return Findings(
        identity=identity(),
        artifacts={
            "tflite-int8": measured("int8", int8, limits),
            "tflite-float16": replace(measured("float16", float16, GatesRecipe()), verdicts=(), cautions=()),
        },
        data=data(),
        learning=learning(),
        quantisation=QuantisationFound(
            calibration=200,
            layers=layers(),
            kept_float=("block_1/depthwise_conv2d",),
            fallback=(
                FallbackTried(layers=(), drop=0.012, size_bytes=63_000, taken=False),
                FallbackTried(layers=("block_1/depthwise_conv2d",), drop=0.004, size_bytes=64_120, taken=True),
            ),
        ),
        devices=(
            {"samples": 40, "lookalike": {"brightness": 0.4, "blur": 1.2}, "instead": [], "distance": 0.081},
            {"samples": 0, "distance": 0.2},
        ),
        seconds={"data": 1.2, "train": 95.3, "convert": 14.0, "measure": 9.4, "profile": 6.0, "match": 0.0},
        drift=drift_found(),
        notes=("calibration: half of the examples give only 83 % of the ranges; raise quantize.calibration",),
    )


@functools.cache
def anomaly() -> Findings:
    limits = GatesRecipe(metric=0.99)
    return Findings(
        identity=identity("anomaly"),
        artifacts={"tflite-int8": measured("int8", auc_figures(), limits, ("metric",))},
        data=None,
        learning=LearningFound(
            curves=(CurveFound(stage="train", loss=(1.0, 0.5, 0.4), validation_loss=(1.1, 0.6, 0.5)),)
        ),
    )


@functools.cache
def wrapped() -> Findings:
    """A foreign model: no float32, no training, no conversion."""
    figures = accuracy_figures(400)
    overall = replace(figures.overall, float32=None, drop=None)
    alone = replace(
        figures,
        overall=overall,
        lost=None,
        won=None,
        groups=(),
        classes=tuple(replace(one, float_recall=None) for one in figures.classes),
        agreement=None,
        sqnr_db=None,
        float_difference=None,
        float_bytes=None,
        latency=replace(LATENCY, float_median_us=None, float_p95_us=None),
    )
    return Findings(identity=identity(), artifacts={"tflite-int8": measured("int8", alone, GatesRecipe(metric=0.8))})
