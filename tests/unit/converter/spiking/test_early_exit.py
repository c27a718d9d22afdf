from __future__ import annotations

import numpy as np
import pytest

from converter.spiking.early_exit import EarlyExit, early_exits, margin_within
from edge_models.spiking.reference import Reference
from tests.assets.spiking import frames, network


def test_the_table_is_what_the_executor_does() -> None:
    net = network(3, coding="if", steps=6, kind="conv")
    x = frames(net, 4, 40)
    y = np.random.default_rng(0).integers(0, 5, 40)

    found = early_exits(net, x, y)

    reference = Reference(net)
    for one in found:
        answers = [
            reference.run(frame) if one.margin is None else reference.run_early(frame, one.margin) for frame in x
        ]
        assert one.steps == pytest.approx(np.mean([answer.steps for answer in answers]))
        assert one.accuracy == pytest.approx(
            np.mean([answer.logits.argmax() == truth for answer, truth in zip(answers, y, strict=True)])
        )


def test_narrow_margins_take_fewer_steps() -> None:
    net = network(3, coding="if", steps=6, kind="conv")

    found = early_exits(net, frames(net, 4, 40), np.zeros(40, np.int64))

    steps = [one.steps for one in found]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0] == 6


def test_graded_counts_have_no_early_exit() -> None:
    net = network(3, coding="atf")

    assert early_exits(net, frames(net, 4, 4), np.zeros(4, np.int64)) == ()


def test_the_margin_loses_no_more_than_is_allowed() -> None:
    found = tuple(
        EarlyExit(margin=margin, accuracy=accuracy, steps=steps)
        for margin, accuracy, steps in [(None, 0.9, 8.0), (90, 0.9, 6.0), (50, 0.8995, 4.0), (20, 0.85, 2.0)]
    )

    assert margin_within(found, 0.001) == 50
    assert margin_within(found, 0.0) == 90
    assert margin_within((), 0.001) is None
