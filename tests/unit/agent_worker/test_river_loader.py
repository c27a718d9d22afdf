"""Loading River's detectors and statistics by name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from agent.worker.drift import loader
from agent.worker.errors import DetectorError, PackageLayoutError


@pytest.mark.runtime
def test_every_detector_that_river_offers_is_known_by_name() -> None:
    names = loader.detector_names()

    assert {"adwin", "page_hinkley", "kswin", "ddm", "eddm", "fhddm"} <= set(names)
    assert not any("dummy" in name or "retrain" in name for name in names)


@pytest.mark.parametrize("spelling", ["adwin", "ADWIN", "Adwin"])
def test_a_detector_is_found_in_any_usual_spelling(spelling: str) -> None:
    assert type(loader.detector(spelling)).__name__ == "ADWIN"


@pytest.mark.parametrize("spelling", ["page_hinkley", "PageHinkley", "page-hinkley"])
def test_a_name_of_two_words_is_found_in_any_usual_spelling(spelling: str) -> None:
    assert type(loader.detector(spelling)).__name__ == "PageHinkley"


def test_detectors_of_errors_are_told_from_detectors_of_numbers() -> None:
    assert loader.is_binary("ddm")
    assert not loader.is_binary("adwin")


def test_an_unknown_detector_is_refused_with_the_known_names() -> None:
    with pytest.raises(DetectorError, match=r"found 'adwn', expected one of adwin, ddm"):
        loader.detector("adwn")


def test_an_unknown_parameter_is_refused_with_its_name() -> None:
    with pytest.raises(DetectorError, match=r"adwin: found parameters detla, .*unexpected keyword argument 'detla'"):
        loader.detector("adwin", detla=0.1)


def test_parameters_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(DetectorError, match="adwin"):
        loader.detector("adwin", delta="small")


@pytest.mark.runtime
def test_adwin_finds_a_step_and_nothing_before_it() -> None:
    adwin = loader.detector("adwin", delta=0.002)
    found = []
    for i in range(600):
        adwin.update(0.2 + 0.1 * math.sin(i) + (0.5 if i >= 400 else 0.0))
        if adwin.drift_detected:
            found.append(i)

    assert found
    assert 400 <= found[0] < 450


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [("Mean", {}, 3.0), ("Var", {}, 7.0), ("RollingQuantile", {"q": 0.5, "window_size": 3}, 2.0)],
)
def test_statistics_are_those_of_river(name: str, parameters: dict[str, object], expected: float) -> None:
    statistic = loader.statistic(name, **parameters)

    for value in (1.0, 2.0, 6.0):
        statistic.update(value)

    assert statistic.get() == pytest.approx(expected)


def test_a_package_of_another_layout_is_told_apart(tmp_path: Path) -> None:
    init = tmp_path / "__init__.py"
    init.write_text("from river.drift.adwin import ADWIN\n")

    with pytest.raises(PackageLayoutError, match="imports nothing from its own modules"):
        loader._origins(init)


def test_a_package_that_is_no_python_is_told_apart(tmp_path: Path) -> None:
    init = tmp_path / "__init__.py"
    init.write_text("from . import (\n")

    with pytest.raises(PackageLayoutError):
        loader._origins(init)
