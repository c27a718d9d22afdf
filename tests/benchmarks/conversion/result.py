"""One line of the benchmark: a float model and its int8 artifact, measured on the same examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.measure import Comparison, Estimate, Figures, wilson
from converter.measure.proportion import paired_drop
from edge_models.fields import decode
from tests.benchmarks.harness import Row, Value

REPORT = "report.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What was measured.

    Attributes:
        name: What it is, for the table.
        figures: Of the int8 artifact and its float32 reference.
        bundle: Where its bundle is; None for a file that is no bundle.
        waived: Gates that it misses; the benchmark shows the figures all the same.
        seconds: Of everything that was done for it.
        is_trained: Whether a net was trained for it now, and not taken from the last run.
    """

    name: str
    figures: Figures
    bundle: Path | None = None
    waived: tuple[str, ...] = ()
    seconds: float = 0.0
    is_trained: bool = False

    @property
    def drop(self) -> Estimate | None:
        """What the artifact loses."""
        return self.figures.overall.drop

    @property
    def row(self) -> Row:
        """The line of the table."""
        figures, overall = self.figures, self.figures.overall
        values: dict[str, Value] = {
            "metric": figures.metric,
            "n": figures.n,
            "float": None if overall.float32 is None else round(overall.float32.value, 4),
            "int8": round(overall.artifact.value, 4),
            "int8 95 %": _interval(overall.artifact, 1, 3),
            "drop pt": None if overall.drop is None else round(100 * overall.drop.value, 2),
            "drop pt 95 %": None if overall.drop is None else _interval(overall.drop, 100, 2),
            "agree": None if figures.agreement is None else round(figures.agreement, 4),
            "sqnr dB": None if figures.sqnr_db is None else round(figures.sqnr_db, 1),
            "int8 bytes": figures.size_bytes,
            "int8/float bytes": None if figures.float_bytes is None else figures.size_bytes / figures.float_bytes,
            **_latency(figures),
            "seconds": round(self.seconds, 1) or None,
        }
        return Row(name=self.name, values=values)


def figures_of(report: Mapping[str, object]) -> Figures:
    """The figures of the first artifact of a report.json."""
    artifacts = report["artifacts"]
    if not isinstance(artifacts, dict):
        raise TypeError(f"{REPORT}: found {type(artifacts).__name__} for artifacts, expected a mapping")
    return decode(Figures, next(iter(artifacts.values()))["figures"])


def pooled(results: Sequence[Result], name: str) -> Result:
    """All folds of a cross-validation as one: each example was tested once, by a net that had not seen its group."""
    parts = [result.figures for result in results]
    n = sum(part.n for part in parts)
    lost, won = (sum(getattr(part, side) or 0 for part in parts) for side in ("lost", "won"))
    hits = sum(round(part.overall.artifact.value * part.n) for part in parts)
    overall = Comparison(
        artifact=wilson(hits, n),
        float32=wilson(hits + lost - won, n),
        drop=paired_drop(lost, won, n, np.random.default_rng(0)),
    )
    agreement = sum((part.agreement or 0.0) * part.n for part in parts) / n
    figures = dataclasses.replace(
        parts[0],
        n=n,
        overall=overall,
        lost=lost,
        won=won,
        agreement=agreement,
        sqnr_db=float(np.mean([part.sqnr_db for part in parts if part.sqnr_db is not None])),
        groups=(),
    )
    return Result(name=name, figures=figures)


def _interval(estimate: Estimate, factor: float, digits: int) -> str:
    return f"{factor * estimate.low:.{digits}f}..{factor * estimate.high:.{digits}f}"


def _latency(figures: Figures) -> dict[str, Value]:
    found = figures.latency
    if found is None or found.float_median_us is None:
        return {"int8 us": None if found is None else round(found.median_us, 1), "int8/float us": None}
    return {"int8 us": round(found.median_us, 1), "int8/float us": found.median_us / found.float_median_us}
