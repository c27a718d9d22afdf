"""Lines of the benchmark: folds of a cross-validation count as one measurement."""

from __future__ import annotations

import numpy as np

from converter.measure import Comparison, Figures, wilson
from converter.measure.proportion import paired_drop
from tests.benchmarks.conversion.result import Result, pooled


def fold(name: str, hits: int, lost: int, won: int, n: int = 500) -> Result:
    overall = Comparison(
        artifact=wilson(hits, n),
        float32=wilson(hits + lost - won, n),
        drop=paired_drop(lost, won, n, np.random.default_rng(0)),
    )
    figures = Figures(
        metric="accuracy",
        n=n,
        overall=overall,
        lost=lost,
        won=won,
        agreement=1 - (lost + won) / n,
        sqnr_db=30.0,
        size_bytes=100,
        float_bytes=400,
    )
    return Result(name=name, figures=figures)


def test_folds_are_pooled_by_their_examples_and_not_by_their_shares() -> None:
    found = pooled([fold("a", 400, 5, 1), fold("b", 90, 0, 2, n=100)], "both").figures

    assert (found.n, found.lost, found.won) == (600, 5, 3)
    assert found.overall.artifact == wilson(490, 600)
    assert found.overall.drop is not None
    assert found.overall.drop.value == 2 / 600
    assert found.agreement == 1 - 8 / 600


def test_a_line_shows_the_loss_in_points_with_its_interval() -> None:
    values = fold("a", 400, 5, 1).row.values

    assert (values["float"], values["int8"], values["drop pt"]) == (0.808, 0.8, 0.8)
    low, high = map(float, str(values["drop pt 95 %"]).split(".."))
    assert low <= 0.8 <= high


def test_a_file_without_a_float_reference_leaves_its_cells_empty() -> None:
    part = fold("a", 400, 5, 1).figures
    alone = Figures(
        metric="accuracy",
        n=500,
        overall=Comparison(artifact=part.overall.artifact, float32=None, drop=None),
        size_bytes=100,
    )

    values = Result(name="wrapped", figures=alone).row.values

    assert [values[key] for key in ("float", "drop pt", "agree", "int8/float bytes")] == [None] * 4
