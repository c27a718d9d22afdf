"""What the report's page tells of drift."""

from __future__ import annotations

import re
from dataclasses import replace

from converter.report import Findings, report_document, report_page
from converter.report.wording import NARROW
from tests.unit.converter import report_samples as samples


def words(findings: Findings) -> str:
    """The text of the page, with plain single spaces."""
    page = report_page(report_document(findings))
    return " ".join(re.sub("<[^>]*>", " ", page).replace(NARROW, " ").split())


def test_the_smallest_drift_that_is_found_is_drawn_by_signal() -> None:
    shown = words(samples.classification())

    assert "Drift that devices find" in shown
    assert "0.31 sd" in shown
    assert "at 1 false alarm a month and 1 Hz; measured on 500 held-out examples" in shown
    assert "sharp: \u2014 within 100 frames, 0.54 sd within 1000 frames" in shown


def test_signals_whose_drift_is_never_found_in_time_are_listed_and_not_drawn() -> None:
    found = samples.drift_found()

    shown = words(replace(samples.classification(), drift=replace(found, signals=found.signals[2:])))

    assert "No shift that was tried is found in time" in shown


def test_a_report_that_knows_nothing_of_drift_is_drawn_without() -> None:
    document = report_document(samples.classification())
    del document["drift"]  # as older reports

    assert "Drift that devices find" not in report_page(document)


def test_conditions_and_the_honesty_of_estimates_are_told() -> None:
    shown = words(samples.classification())

    assert "Estimates were wrong by 3.1 points on average" in shown
    assert "90 % of 84 windows were inside the interval" in shown
    assert "blur 52.0 % 4.0 points 9.0 points 83 %" in shown
    assert "night 300" in shown


def test_a_drift_of_few_examples_without_labels_is_told_by_its_conditions_alone() -> None:
    found = replace(samples.drift_found(), signals=(), cost=None)

    shown = words(replace(samples.classification(), drift=found))

    assert "Conditions that devices know" in shown
    assert "The smallest shifts cannot be told" in shown
    assert "Estimates of accuracy" not in shown
