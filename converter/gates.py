"""Gates: what an artifact must reach before its bundle is written. No IO here: ``converter.measure`` measures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from converter.errors import GateError, GateNameError
from converter.measure import Figures, GroupFigures
from converter.recipe.gates import GatesRecipe

GATES = tuple(field.name for field in dataclasses.fields(GatesRecipe) if field.name != "drop_examples")
_ROUNDING = 1e-9  # 0.95 - 0.94 is more than 0.01 in floating point


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What advice can draw on.

    Attributes:
        calibration: Examples that set the ranges; None where there was no calibration.
        noisy_layers: Layers that lose most, the worst first, in words such as ``dense_1 (12.3 dB)``.
        finer: What makes this artifact better, where it is not what makes int8 better.
    """

    calibration: int | None = None
    noisy_layers: tuple[str, ...] = ()
    finer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one gate was passed or missed.

    Attributes:
        gate: Its name.
        ok: Whether it was reached.
        found: What was measured, in the unit of the recipe's key.
        limit: What the recipe allows or wants.
        waived: It was missed, and the user has allowed that.
        text: Both in words, with the remedy after a semicolon where it was missed.
    """

    gate: str
    ok: bool
    found: float
    limit: float
    waived: bool = False
    text: str


_NO_HINTS = Hints()


def check_gates(
    figures: Figures, gates: GatesRecipe, allowed: Iterable[str] = (), hints: Hints = _NO_HINTS
) -> tuple[Verdict, ...]:
    """The verdict of every gate that can be judged.

    Args:
        figures: What was measured.
        gates: What the recipe asks for.
        allowed: Gates that may be missed.
        hints: For advice.

    Raises:
        GateError: Naming every gate that was missed and not allowed.
        GateNameError: ``allowed`` names no gate.

    Examples:
        >>> from converter.measure import Comparison, Estimate
        >>> small = Estimate(value=0.7, low=0.6, high=0.8)
        >>> check_gates(Figures(metric="accuracy", n=90, size_bytes=1, overall=Comparison(artifact=small, float32=None,
        ...     drop=None)), GatesRecipe(metric=0.9))
        Traceback (most recent call last):
        converter.errors.GateError: metric: accuracy 0.7000, wanted 0.9000; train longer or bring more data
    """
    verdicts = judge(figures, gates, allowed, hints)
    missed = [verdict.text for verdict in verdicts if not verdict.ok and not verdict.waived]
    if missed:
        raise GateError(" | ".join(missed))
    return verdicts


def judge(
    figures: Figures, gates: GatesRecipe, allowed: Iterable[str] = (), hints: Hints = _NO_HINTS
) -> tuple[Verdict, ...]:
    """The same verdicts without refusing anything, for who wants to try something else first."""
    names = check_names(allowed)
    return tuple(
        dataclasses.replace(verdict, waived=not verdict.ok and verdict.gate in names)
        for verdict in _verdicts(figures, gates, hints)
    )


def check_names(allowed: Iterable[str]) -> frozenset[str]:
    """The names of gates that may be missed.

    Raises:
        GateNameError: One is no gate.
    """
    names = frozenset(allowed)
    unknown = sorted(names - set(GATES))
    if unknown:
        raise GateNameError(f"--allow-gate: found {unknown[0]!r}, expected one of {', '.join(GATES)}")
    return names


def _verdicts(figures: Figures, gates: GatesRecipe, hints: Hints) -> Iterator[Verdict]:
    difference = figures.float_difference
    if difference is not None:
        yield _verdict(
            "float_difference",
            difference,
            gates.float_difference,
            f"outputs of Keras and float32 TFLite differ by {difference:.2e}, allowed {gates.float_difference:.2e}",
            "the export lost something: look for layers that behave differently outside of training",
        )
    yield from _drops(figures, gates, hints)
    if gates.metric > 0:
        yield _metric(figures, gates.metric, hints)
    yield from _budgets(figures, gates)
    yield from _likeness(figures, gates, hints)


def _drops(figures: Figures, gates: GatesRecipe, hints: Hints) -> Iterator[Verdict]:
    drop, name = figures.overall.drop, shown_metric(figures)
    if drop is None:
        return
    remedy = _finer(hints)
    said = f"the artifact loses {_points(drop.value)} of {name} against float32, allowed {_points(gates.drop)}"
    yield _verdict("drop", drop.value, gates.drop, said, remedy)
    if figures.n >= gates.drop_examples:
        said = (
            f"the loss of {name} may be {_points(drop.high)} (95 % interval of {figures.n} examples), "
            f"allowed {_points(gates.drop_interval)}"
        )
        yield _verdict("drop_interval", drop.high, gates.drop_interval, said, f"bring more test examples, or {remedy}")
    worst = worst_group(figures, gates)
    if worst is not None and worst.overall.drop is not None:
        lost = worst.overall.drop.value
        said = (
            f"group {worst.name} loses {_points(lost)} of {name} on {worst.n} examples, "
            f"allowed {_points(gates.group_drop)}"
        )
        remedy = f"let more training examples of the kind of group {worst.name} calibrate, or {remedy}"
        yield _verdict("group_drop", lost, gates.group_drop, said, remedy)


def worst_group(figures: Figures, gates: GatesRecipe) -> GroupFigures | None:
    """The group that loses most, of those large enough to show a loss of ``group_drop``: one example must be less."""
    large = [group for group in figures.groups if group.overall.drop is not None and group.n >= least_group(gates)]
    return max(large, key=lambda group: group.overall.drop.value if group.overall.drop else 0.0, default=None)


def least_group(gates: GatesRecipe) -> int:
    """Examples that a group needs for its loss to count, such as 50 for 2 points.

    Examples:
        >>> least_group(GatesRecipe(group_drop=0.02))
        50
    """
    return math.ceil(1 / gates.group_drop - _ROUNDING) if gates.group_drop > 0 else 1


def _metric(figures: Figures, wanted: float, hints: Hints) -> Verdict:
    found, exact = figures.overall.artifact.value, figures.overall.float32
    remedy = "train longer or bring more data"
    if exact is not None and exact.value >= wanted:
        remedy = f"float32 reaches {exact.value:.4f}, so the quantisation costs it: {_finer(hints)}"
    return _verdict(
        "metric",
        found,
        wanted,
        f"{shown_metric(figures)} {found:.4f}, wanted {wanted:.4f}",
        remedy,
        at_least=True,
    )


def _budgets(figures: Figures, gates: GatesRecipe) -> Iterator[Verdict]:
    size = figures.size_bytes
    if gates.size_ratio is not None and figures.float_bytes is not None:
        ratio = size / figures.float_bytes
        yield _verdict(
            "size_ratio",
            ratio,
            gates.size_ratio,
            f"the file is {ratio:.3f} of the float32 one, allowed {gates.size_ratio:.3f}",
            "small networks are mostly structure: widen a layer or raise the gate",
        )
    if gates.size_bytes is not None:
        yield _verdict(
            "size_bytes",
            size,
            gates.size_bytes,
            f"the file has {size} bytes, allowed {gates.size_bytes}",
            "take a smaller network: fewer filters, blocks or dense units",
        )
    if gates.latency_us is not None and figures.latency is not None:
        took = figures.latency.median_us
        yield _verdict(
            "latency_us",
            took,
            gates.latency_us,
            f"one inference takes {took:.0f} us (median, one thread, {figures.latency.runtime}), "
            f"allowed {gates.latency_us:.0f} us",
            "take a smaller network or input, or measure again on an idle machine",
        )


def _likeness(figures: Figures, gates: GatesRecipe, hints: Hints) -> Iterator[Verdict]:
    if gates.agreement is not None and figures.agreement is not None:
        said = f"artifact and float32 agree on {figures.agreement:.4f} of the answers, wanted {gates.agreement:.4f}"
        yield _verdict("agreement", figures.agreement, gates.agreement, said, _finer(hints), at_least=True)
    if gates.sqnr_db is not None and figures.sqnr_db is not None:
        said = f"the outputs have {figures.sqnr_db:.1f} dB over their quantisation noise, wanted {gates.sqnr_db:.1f} dB"
        yield _verdict("sqnr_db", figures.sqnr_db, gates.sqnr_db, said, _finer(hints), at_least=True)


def _verdict(gate: str, found: float, limit: float, said: str, remedy: str, *, at_least: bool = False) -> Verdict:
    ok = found >= limit - _ROUNDING if at_least else found <= limit + _ROUNDING  # NaN is neither
    text = f"{gate}: {said}" if ok else f"{gate}: {said}; {remedy}"
    return Verdict(gate=gate, ok=ok, found=float(found), limit=float(limit), text=text)


def _finer(hints: Hints) -> str:
    """What makes a quantised model better."""
    if hints.finer is not None:
        return hints.finer
    now = "" if hints.calibration is None else f" (now {hints.calibration})"
    layers = f" (noisiest: {', '.join(hints.noisy_layers[:3])})" if hints.noisy_layers else ""
    return (
        f"calibrate with more examples{now}, keep sensitive layers in floating point with quantize.fallback{layers}, "
        "or train with quantize.qat"
    )


def shown_metric(figures: Figures) -> str:
    """The metric in words."""
    return "accuracy" if figures.metric == "accuracy" else "AUC"


def _points(share: float) -> str:
    return f"{100 * share:.2f} pt"


def missed(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Names of the gates that were missed, waived or not."""
    return tuple(verdict.gate for verdict in verdicts if not verdict.ok)
