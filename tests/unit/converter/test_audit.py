"""Each flaw that is put into good data is found, named and weighed; good data are left in peace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.audit.balance import balance_findings
from converter.audit.duplicates import duplicate_findings, exact_pairs, near_pairs
from converter.audit.finding import Finding, Severity, Subject
from converter.audit.shortcuts import readable, shortcut_findings
from converter.audit.values import value_findings
from converter.datasets import Dataset, Splits
from edge_models.signals import Kind
from tests.factories.frames import digit_frames

PARTS = Splits(train=np.arange(0, 300), profile=np.arange(300, 400), test=np.arange(400, 500))


def subject(x: Any, y: Any = None, kind: Kind = "image", parts: Splits | None = PARTS, **keys: Any) -> Subject:
    y = np.arange(len(x)) % 5 if y is None else y
    labels = keys.pop("labels", tuple("abcde"))
    by_blocks = keys.pop("by_blocks", False)
    return Subject(data=Dataset(x=x, y=y, labels=labels, **keys), kind=kind, parts=parts, by_blocks=by_blocks)


def pictures(n: int = 500, *, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures of noise that are all different and not blank."""
    return np.random.default_rng(seed).integers(0, 256, (n, 12, 12)).astype(np.uint8)


def found(findings: Iterable[Finding], check: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


def only(findings: Iterable[Finding], check: str) -> Finding:
    chosen = found(findings, check)
    assert len(chosen) == 1, chosen
    return chosen[0]


def test_good_data_give_no_finding() -> None:
    good = subject(pictures())

    findings = [
        *balance_findings(good),
        *value_findings(good),
        *shortcut_findings(good),
        *duplicate_findings(good),
    ]

    assert [finding.check for finding in findings if finding.severity is not Severity.NOTE] == []


def test_equal_examples_in_training_and_test_are_a_grave_finding_with_their_names() -> None:
    x = pictures()
    x[400:410] = x[:10]

    finding = only(duplicate_findings(subject(x, np.zeros(500, np.int64))), "duplicates across parts")

    assert finding.severity is Severity.HIGH
    assert finding.what == "10 (10 %) of the test part are equal to examples of the training part"
    assert finding.examples[0] == "example 0 (a) = example 400 (a)"


def test_equal_examples_of_two_classes_are_conflicting_labels() -> None:
    x = pictures()
    x[1:11] = x[11:21]
    y = np.repeat([0, 1, 2], [11, 200, 289])

    finding = only(duplicate_findings(subject(x, y)), "conflicting labels")

    assert finding.severity is Severity.HIGH
    assert "10 (2 %) of 500 examples are equal to one of another class" in finding.what


@pytest.mark.parametrize("change", ["brighter", "noisy", "darker"])
def test_the_same_picture_in_another_light_is_nearly_equal(change: str) -> None:
    x = digit_pictures()
    rng = np.random.default_rng(1)
    made = {
        "brighter": x[:5] * 1.2 + 20,
        "noisy": x[:5] + rng.normal(0, 3, x[:5].shape),
        "darker": x[:5] * 0.5,
    }[change]
    x[400:405] = np.clip(made, 0, 255).astype(np.uint8)

    pairs = near_pairs(x, "image").tolist()

    assert all([number, 400 + number] in pairs for number in range(5))


def digit_pictures() -> NDArray[np.uint8]:
    """500 pictures 16 x 16 of digits with noise, no two alike."""
    frames, _ = digit_frames(500, seed=4)
    large = np.kron(frames.astype(np.float32) * 0.6, np.ones((2, 2), np.float32))
    noise = np.random.default_rng(2).normal(0, 30, large.shape)
    return np.clip(large + noise + 30, 0, 255).astype(np.uint8)


def test_clips_and_windows_that_are_nearly_equal_are_found_in_other_groups_only() -> None:
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(60, 800)).astype(np.float32) * np.linspace(0.1, 1, 800)
    clips[50] = clips[3] * 0.7
    windows = np.cumsum(rng.normal(size=(60, 32, 2)), axis=1).astype(np.float32)
    windows[50] = windows[3] + 0.001
    windows[51] = windows[52] + 0.001
    parts = Splits(train=np.arange(40), profile=np.arange(40, 50), test=np.arange(50, 60))
    group = np.arange(60) // 10
    keys: dict[str, Any] = {"y": np.arange(60) % 2, "labels": ("a", "b"), "parts": parts}

    sound = list(duplicate_findings(subject(clips, kind="audio", **keys)))
    rows = list(duplicate_findings(subject(windows, kind="rows", group=group, groups=tuple("012345"), **keys)))

    assert only(sound, "conflicting labels").examples == ("example 3 (b) = example 50 (a)",)
    assert only(sound, "duplicates across parts").what.startswith("1 (10 %) of the test part are nearly equal")
    assert only(rows, "duplicates across parts").what.startswith("1 (10 %) of the test part are nearly equal")
    assert not found(rows, "duplicates")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_exact_pairs_are_each_repetition_with_its_first(values: list[int]) -> None:
    pairs = exact_pairs(np.array(values, np.int16).reshape(-1, 1))

    assert len(pairs) == len(values) - len(set(values))
    assert all(values[first] == values[second] and values.index(values[first]) == first for first, second in pairs)


def test_a_column_that_is_the_label_is_leakage() -> None:
    y = np.arange(500) % 2
    x = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    x[:, 1] = y * 3 + x[:, 1] * 0.1
    told = subject(x, y, "rows", columns=("flow", "alarm", "heat"), labels=("ok", "bad"))

    finding = only(shortcut_findings(told), "leakage")

    assert finding.severity is Severity.HIGH
    assert finding.what.startswith("column alarm alone tells the class in 100.0 % of cases")


def test_brightness_and_length_that_tell_the_class_are_leakage() -> None:
    y = np.arange(500) % 2
    x = pictures() // 2 + (y * 100).astype(np.uint8)[:, None, None]
    clips = np.random.default_rng(0).normal(size=(500, 200)).astype(np.float32)
    clips[y == 1, 150:] = 0

    assert any("mean brightness" in finding.what for finding in shortcut_findings(subject(x, y, labels=("a", "b"))))
    sound = list(shortcut_findings(subject(clips, y, "audio", labels=("a", "b"))))
    assert any("length without padding" in finding.what for finding in sound)


@given(st.integers(0, 2**31), st.integers(2, 6))
def test_a_number_without_a_meaning_tells_no_class(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)

    assert readable(rng.normal(size=2000), np.arange(2000) % classes) < 1 / classes + 0.15


def test_neighbours_in_time_without_groups_are_leakage() -> None:
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(500, 2)), axis=0).astype(np.float32)
    keys: dict[str, Any] = {"y": np.arange(500) % 2, "kind": "rows", "labels": ("a", "b")}
    grouped: dict[str, Any] = {"group": np.arange(500) // 50, "groups": tuple("0123456789")}

    series = only(shortcut_findings(subject(walk, **keys)), "leakage")

    assert series.severity is Severity.HIGH
    assert series.what.startswith("rows are in the order of time and alike to the next one (correlation 0.9")
    assert not found(shortcut_findings(subject(walk, **keys, **grouped)), "leakage")
    assert not found(shortcut_findings(subject(rng.permutation(walk), **keys)), "leakage")


def test_classes_that_each_have_a_group_of_their_own_are_leakage() -> None:
    y = np.arange(500) % 5
    alone = subject(pictures(), y, group=y, groups=tuple("vwxyz"))
    mixed = subject(pictures(), y, group=np.arange(500) // 100, groups=tuple("vwxyz"))

    assert only(shortcut_findings(alone), "leakage").severity is Severity.HIGH
    assert not found(shortcut_findings(mixed), "leakage")


def test_uneven_classes_and_groups_are_found_with_their_numbers() -> None:
    y = np.repeat([0, 1, 2], [440, 45, 15])
    group = np.repeat([0, 1, 2], [470, 20, 10])

    findings = list(balance_findings(subject(pictures(), y, labels=("a", "b", "c"), group=group, groups=tuple("xyz"))))

    assert only(findings, "few examples").what == "classes with fewer than 20 examples: c 15"
    uneven = only(findings, "class imbalance")
    assert uneven.severity is Severity.MEDIUM
    assert uneven.what == "a has 29.3 times as many examples as c (440 and 15)"
    assert only(findings, "group imbalance").what.startswith("group x has 47.0 times as many examples as z")
    assert "the train part has no example of b, c" in [finding.what for finding in found(findings, "parts")]


def test_dead_copied_and_wild_columns_are_named() -> None:
    x = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    x[:, 1] = 7
    x[:, 2] = -2 * x[:, 0]
    x[5, 3] = -999
    named = subject(x, kind="rows", columns=("a", "stuck", "copy", "wild"), parts=None)

    findings = list(value_findings(named))

    assert only(findings, "dead columns").what == "columns that never change: stuck"
    assert only(findings, "copied columns").what == "columns that tell the same: a = copy"
    assert "wild (6" in only(findings, "outliers").what


def test_dead_pixels_and_blank_pictures_are_counted() -> None:
    x = pictures()
    x[:, :, 9:] = 0
    x[7] = 50
    x[7, :, 9:] = 50
    named = subject(x, file=np.arange(500), names=tuple(f"{i}.png" for i in range(500)))

    findings = list(value_findings(named))

    assert only(findings, "blank examples").examples == ("7.png",)
    x[7] = 0
    dead = only(value_findings(named), "dead pixels")
    assert dead.what == "36 (25 %) of the pixels never change; what changes is in rows 0 to 11 and columns 0 to 8"


def test_silent_and_saturated_clips_are_found() -> None:
    clips = np.random.default_rng(0).normal(0, 0.1, (500, 300)).astype(np.float32)
    clips[3] = 0
    clips[4] = np.clip(clips[4] * 9, -1, 1)

    findings = list(value_findings(subject(clips, kind="audio")))

    assert only(findings, "blank examples").examples == ("example 3",)
    assert only(findings, "saturated clips").examples == ("example 4",)
