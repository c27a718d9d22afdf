"""The report's document has every number, and its page draws them without scripts, strangers or broken markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.measure import Estimate
from converter.report import Findings, LearningFound, QuantisationFound, report_bytes, report_document, report_page
from converter.report.charts.canvas import Scale, shortened, ticks
from converter.report.findings import CurveFound, TrialFound
from tests.unit.converter import report_samples as samples

MAKERS = (samples.classification, samples.anomaly, samples.wrapped, samples.spiking)
VOID = {"meta", "br", "img", "link"}


class Checked(HTMLParser):
    """Whether every element ends, and what the page shows and refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.words).split())


def checked(findings: Findings) -> Checked:
    page = Checked()
    page.feed(report_page(report_document(findings)))
    page.close()
    assert page.open == []
    return page


def headings(findings: Findings) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", report_page(report_document(findings)))


@pytest.mark.parametrize("make", MAKERS)
def test_a_document_is_json_that_fits_the_bound_of_its_readers(make: Callable[[], Findings]) -> None:
    document = report_document(make())

    stored = report_bytes(document)

    assert json.loads(stored) == document
    assert len(stored) < 1 << 20


@pytest.mark.parametrize("make", MAKERS)
def test_a_page_depends_on_its_document_alone(make: Callable[[], Findings]) -> None:
    document = report_document(make())

    assert report_page(document) == report_page(json.loads(report_bytes(document)))


@pytest.mark.parametrize("make", MAKERS)
def test_a_page_runs_nothing_and_fetches_nothing(make: Callable[[], Findings]) -> None:
    page = checked(make())

    assert not page.tags & {"script", "link", "img", "iframe", "object", "image", "use", "form"}
    assert not [
        pair for pair in page.attributes if pair[0].startswith("on") or pair[0] in ("src", "href", "xlink:href")
    ]
    assert "http" not in report_page(report_document(make()))
    assert "url(" not in report_page(report_document(make()))


def test_the_keys_of_one_question_are_those_of_the_first_artifact() -> None:
    findings = samples.classification()
    figures = findings.artifacts["tflite-int8"].figures

    document = report_document(findings)

    assert document["int8_accuracy"] == figures.overall.artifact.value
    assert figures.overall.float32 is not None
    assert document["float_accuracy"] == figures.overall.float32.value
    assert (document["int8_bytes"], document["float_bytes"]) == (64_120, 208_460)
    assert (document["n_test"], document["calibration"]) == (9985, 200)
    assert (document["int8_auc"], document["metric"]) == (None, "accuracy")


def test_an_anomaly_has_areas_and_no_accuracies() -> None:
    document = report_document(samples.anomaly())

    assert document["int8_auc"] > 0.8
    assert document["int8_accuracy"] is document["float_accuracy"] is None


def test_every_part_of_a_full_build_is_drawn() -> None:
    assert headings(samples.classification()) == [
        *("Worth knowing", "Gates", "Accuracy", "Confusion", "Groups", "Classes"),
        *("Beside float32", "Size", "Latency", "Noise of each layer", "Calibration"),
        *("Drift that devices find", "Estimates of accuracy", "Conditions that devices know"),
        *("Pre-training without labels", "Training", "Cross-validation", "Hyper-parameter search"),
        *("Learning with few labels", "What devices see", "Data", "Time", "Origin"),
    ]


def test_what_was_not_measured_is_left_out() -> None:
    assert headings(samples.wrapped()) == [
        *("Worth knowing", "Gates", "Accuracy", "Confusion", "Classes", "Size", "Latency", "Origin")
    ]
    assert {"Anomaly scores", "ROC curve"} < set(headings(samples.anomaly()))


def test_the_page_says_what_the_document_holds() -> None:
    page = checked(samples.classification())

    for said in (
        "88.28\u202f%",
        "64.1\u202fkB",
        "63.1\u202f\u00b5s",
        "24.3\u202fdB",
        "resnet8, 78\u202f042 parameters",
    ):
        assert " ".join(said.split()) in page.shown
    assert "An int8 classifier of 10 classes that answers" in page.shown
    assert "The weights of epoch 10 were kept." in page.shown


def test_the_headline_tells_a_missed_gate_from_a_passed_one() -> None:
    findings = samples.classification()
    first = findings.artifacts["tflite-int8"]
    passed = tuple(verdict for verdict in first.verdicts if verdict.ok)

    assert "written although 1 gate missed" in checked(findings).shown
    good = replace(findings, artifacts={"tflite-int8": replace(first, verdicts=passed)})
    assert f"passed {len(passed)} gates" in checked(good).shown
    bare = replace(findings, artifacts={"tflite-int8": replace(first, verdicts=())})
    assert "no gate applied" in checked(bare).shown


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
@settings(max_examples=8, deadline=None)
def test_no_name_of_a_user_becomes_markup(name: str) -> None:
    findings = samples.wrapped()
    hostile = replace(findings.identity, version=f"<script>{name}</script>&\"'", labels=(name,))  # type: ignore[type-var]

    page = checked(replace(findings, identity=hostile, notes=(f"<b onclick={name}>",)))

    assert not page.tags & {"script", "b onclick"}
    assert "<script>" in page.shown


def test_numbers_that_are_not_finite_become_null_and_are_drawn_as_missing() -> None:
    findings = samples.classification()
    learning = LearningFound(
        curves=(CurveFound(stage="train", loss=(1.0, float("nan"), 0.5), validation_loss=(float("inf"),) * 3),),
        trials=(TrialFound(value=None, settings={}),),
    )
    layer = SimpleNamespace(
        name="add", op="ADD", sqnr_db=float("inf"), rmse_over_scale=0.0, low=0.0, high=0.0, histogram=()
    )

    document = report_document(
        replace(findings, learning=learning, quantisation=QuantisationFound(layers=(layer,), calibration=8))
    )

    assert document["learning"]["curves"][0]["loss"] == [1.0, None, 0.5]
    assert document["quantisation"]["layers"][0]["sqnr_db"] is None
    report_page(document)


@pytest.mark.parametrize(
    "change",
    [
        {"curves": (CurveFound(stage="train", loss=(0.5,), accuracy=(1.0,)),)},
        {"curves": (CurveFound(stage="train", loss=(float("nan"),)),)},
        {"curves": (CurveFound(stage="frozen", loss=(0.5, 0.5)),)},
        {"folds": (0.9, 0.9)},
        {"trials": (TrialFound(value=0.5, settings={"a": True}),)},
        {"label_curve": samples.learning().label_curve[:1]},
    ],
)
def test_few_and_equal_values_can_be_drawn(change: dict[str, Any]) -> None:
    checked(replace(samples.classification(), learning=LearningFound(**change)))


def test_curves_of_a_fine_tuning_for_spikes_count_updates() -> None:
    learning = LearningFound(curves=(CurveFound(stage="surrogate", loss=(0.5, 0.25)),))

    shown = checked(replace(samples.classification(), learning=learning)).shown

    assert "Fine-tuning through the spikes" in shown
    assert "2 times 50 updates" in shown


def test_a_perfect_model_can_be_drawn() -> None:
    findings = samples.wrapped()
    first = findings.artifacts["tflite-int8"]
    one = Estimate(value=1.0, low=1.0, high=1.0)
    figures = replace(first.figures, overall=replace(first.figures.overall, artifact=one), confusion=((5,),))

    checked(replace(findings, artifacts={"tflite-int8": replace(first, figures=figures)}))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_inside_and_are_few(low: float, width: float) -> None:
    found = ticks(low, low + width)

    slack = 1e-6 * (abs(low) + width)
    assert 1 <= len(found) <= 12
    assert low - slack <= min(found) <= max(found) <= low + width + slack


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.booleans())
def test_a_scale_keeps_everything_inside(low: float, value: float, log: bool) -> None:
    scale = Scale(low=low, high=low * 10, start=20, end=400, log=log)

    assert 20 <= scale(value) <= 400
    assert scale(low) == pytest.approx(20)
    assert scale(low * 10) == pytest.approx(400)


@given(st.text(max_size=60), st.integers(3, 40))
def test_a_shortened_text_keeps_its_ends(said: str, characters: int) -> None:
    found = shortened(said, characters)

    assert len(found) == min(len(said), characters)
    assert found[:1] == said[:1]
    assert found[-1:] == said[-1:]


def test_energy_is_called_an_estimate_beside_both_anns_and_without_memory_traffic() -> None:
    page = checked(samples.spiking())

    assert "estimated" in page.shown
    assert "not a measurement" in page.shown
    assert "memories is outside of it" in page.shown
    assert "int8 ANN float32 ANN" in page.shown
    estimate = samples.spiking_study().energy[0]
    assert f"{estimate.below_int8:.1f}\u202f\u00d7" in page.words
    assert f"{estimate.below_float32:.1f}\u202f\u00d7" in page.words


@pytest.mark.parametrize("fault", ["dead neurons", "dead synapses", "bit flips"])
def test_every_fault_stands_beside_int8(fault: str) -> None:
    document = report_document(samples.spiking())

    rows = [one for one in document["spiking"]["robustness"]["faults"] if one["fault"] == fault]
    assert [one["share"] for one in rows] == [0.01, 0.05, 0.1]
    assert all(one["int8"] is not None for one in rows)
    assert fault in checked(samples.spiking()).shown


def test_stopping_early_is_shown_for_plain_spikes_alone() -> None:
    plain = replace(samples.classification(), spiking=samples.spiking_study("if"))

    assert "Stopping early" in checked(plain).shown
    assert "3.10" in checked(plain).shown
    assert "Stopping early" not in checked(samples.spiking()).shown


def test_a_report_without_a_spiking_artifact_says_nothing_of_spikes() -> None:
    assert report_document(samples.classification())["spiking"] is None
    assert "Synaptic" not in checked(samples.classification()).shown
