"""Sketches: merging is exact, encoding loses nothing, and a stranger's text cannot hurt."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.errors import SketchError
from edge_models.profile import BINS, Profile, build_profile
from edge_models.sketch import Sketch, SketchBounds

PROFILE_ID = "0123456789abcdef"
NAMES = tuple(f"signal_{j}" for j in range(12))


def empty(k: int = 2, classes: int = 3, profile_id: str = PROFILE_ID) -> Sketch:
    return Sketch(profile_id=profile_id, signals=NAMES[:k], classes=classes)


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    sketch = empty()
    for _ in range(draw(st.integers(0, 5))):
        bins = np.array(draw(st.tuples(st.integers(0, 31), st.integers(0, 31))))
        sketch.add(bins, draw(st.none() | st.integers(0, 2)))
    return sketch


def content(sketch: Sketch) -> tuple[str, tuple[str, ...], int, list[int], list[list[int]]]:
    return sketch.profile_id, sketch.signals, sketch.n, sketch.classes.tolist(), sketch.counts.tolist()


@given(sketches(), sketches(), sketches())
def test_merging_is_associative_and_commutative_with_the_empty_sketch_as_zero(a: Sketch, b: Sketch, c: Sketch) -> None:
    assert content(a.merge(b).merge(c)) == content(a.merge(b.merge(c)))
    assert content(a.merge(b)) == content(b.merge(a))
    assert content(a.merge(empty())) == content(a)


@given(sketches())
def test_decoding_returns_what_was_encoded(sketch: Sketch) -> None:
    assert content(Sketch.decode(sketch.encode())) == content(sketch)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 60))
def test_merged_parts_equal_the_whole(seed: int, n: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    bins, predicted = rng.integers(0, BINS, (n, 2)), rng.integers(0, 3, n)
    whole, head, tail = empty(), empty(), empty()

    whole.add_batch(bins, predicted)
    head.add_batch(bins[:cut], predicted[:cut])
    for row, label in zip(bins[cut:], predicted[cut:], strict=True):
        tail.add(row, int(label))

    assert content(head.merge(tail)) == content(whole)


def test_large_counts_survive() -> None:
    sketch = empty()
    sketch.n = 4_000_000_000
    sketch.counts[:, 5] = sketch.n
    sketch.classes[1] = sketch.n

    assert content(Sketch.decode(sketch.encode())) == content(sketch)
    with pytest.raises(SketchError, match="in one sketch"):
        sketch.merge(sketch)


def test_merging_leaves_both_parts_alone() -> None:
    a, b = empty(), empty()
    a.add(np.array([1, 2]), 0)

    merged = a.merge(b)
    merged.add(np.array([3, 4]), 1)

    assert (a.n, b.n, merged.n) == (1, 0, 2)
    assert a.counts.sum() == 2


@pytest.mark.parametrize("other", [empty(profile_id="f" * 16), empty(k=1), empty(classes=4)])
def test_sketches_of_different_profiles_refuse_to_merge(other: Sketch) -> None:
    with pytest.raises(SketchError, match="cannot be added"):
        empty().merge(other)


def profile_and_values(n: int = 2000, k: int = 12) -> tuple[Profile, NDArray[np.float64]]:
    values = np.random.default_rng(0).normal(size=(n, k))
    return build_profile(NAMES[:k], values, np.arange(n) % 10, 10), values


def test_a_window_of_twelve_signals_fits_a_message() -> None:
    profile, values = profile_and_values()
    window, day = Sketch.of(profile), Sketch.of(profile)
    window.add_batch(profile.bins(values[:200]), np.arange(200) % 10)
    for _ in range(40):
        day.add_batch(profile.bins(np.random.default_rng(1).normal(size=(2000, 12))), np.arange(2000) % 10)

    assert len(window.encode()) <= 1000
    assert len(day.encode()) <= 1600


def test_the_reference_has_no_distance_from_itself() -> None:
    profile, values = profile_and_values()
    sketch = Sketch.of(profile)
    sketch.add_batch(profile.bins(values), np.arange(2000) % 10)

    assert sketch.distance(profile) == dict.fromkeys(NAMES, 0.0)


def test_the_same_distribution_is_near_and_a_shifted_signal_far_by_its_own_name() -> None:
    profile, _ = profile_and_values()
    values = np.random.default_rng(5).normal(size=(1000, 12))
    values[:, 3] += 1.0
    sketch = Sketch.of(profile)
    sketch.add_batch(profile.bins(values))

    distance = sketch.distance(profile)

    assert distance.pop(NAMES[3]) == pytest.approx(0.38, abs=0.05)  # sup |Phi(x) - Phi(x - 1)| = 0.383
    assert max(distance.values()) < 0.08


def test_a_constant_signal_that_moves_either_way_is_far() -> None:
    profile = build_profile(["black"], np.zeros((500, 1)), None, 0)

    for value in (0.01, -0.01):
        sketch = Sketch.of(profile)
        sketch.add_batch(profile.bins(np.full((100, 1), value)))
        assert sketch.distance(profile) == {"black": 1.0}


def test_nothing_counted_is_no_distance() -> None:
    profile, _ = profile_and_values()

    assert set(Sketch.of(profile).distance(profile).values()) == {0.0}


def test_distance_from_another_profile_is_refused() -> None:
    profile, values = profile_and_values()
    other = build_profile(NAMES, values + 1, np.arange(2000) % 10, 10)

    with pytest.raises(SketchError, match="cannot be compared"):
        Sketch.of(profile).distance(other)


def packed(header: str, numbers: bytes) -> str:
    return base64.b64encode(zlib.compress(b"DS1" + header.encode("latin-1") + b"\0" + numbers)).decode()


GOOD = packed(f"{PROFILE_ID}\na", b"\x01\x01\x01" + b"\x01" + bytes(31))
WRONG = {
    "nothing": "",
    "no base64": "!!!!",
    "not ASCII": "é" * 8,
    "no zlib": base64.b64encode(b"hello").decode(),
    "truncated": base64.b64encode(base64.b64decode(GOOD)[:-5]).decode(),
    "data behind it": base64.b64encode(base64.b64decode(GOOD) + b"x").decode(),
    "another format": base64.b64encode(zlib.compress(b"DS2" + b"\0" * 50)).decode(),
    "no counts": packed(f"{PROFILE_ID}\na", b""),
    "no profile": packed("\na", b"\x00\x00" + bytes(32)),
    "a profile that is no digest": packed("0123456789ABCDEF\na", b"\x00\x00" + bytes(32)),
    "no signals": packed(PROFILE_ID, b"\x00\x00"),
    "two signals of one name": packed(f"{PROFILE_ID}\na\na", b"\x00\x00" + bytes(64)),
    "names that are not ASCII": packed(f"{PROFILE_ID}\n\xe9", b"\x00\x00" + bytes(32)),
    "too many signals": packed("\n".join([PROFILE_ID, *map(str, range(65))]), b"\x00\x00" + bytes(65 * 32)),
    "too few counts": packed(f"{PROFILE_ID}\na", b"\x00\x00" + bytes(31)),
    "too many counts": packed(f"{PROFILE_ID}\na", b"\x00\x00" + bytes(33)),
    "counts that do not sum": packed(f"{PROFILE_ID}\na", b"\x02\x00\x01" + bytes(31)),
    "more classes than frames": packed(f"{PROFILE_ID}\na", b"\x01\x01\x02\x01" + bytes(31)),
    "a count above 32 bits": packed(f"{PROFILE_ID}\na", b"\xff\xff\xff\xff\x7f\x00" + bytes(32)),
    "an endless number": packed(f"{PROFILE_ID}\na", b"\x80" * 100),
    "a number that stops": packed(f"{PROFILE_ID}\na", b"\x00\x00" + bytes(32) + b"\x80"),
    "a million classes": packed(f"{PROFILE_ID}\na", b"\x00\xc0\x84\x3d" + bytes(32)),
    "a bomb": packed(f"{PROFILE_ID}\na", bytes(10_000_000)),
    "a long text": "A" * 20_000,
}


def test_the_well_formed_example_is_read() -> None:
    assert Sketch.decode(GOOD).n == 1


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_text_that_is_no_sketch_is_refused(text: str) -> None:
    with pytest.raises(SketchError):
        Sketch.decode(text)


@given(st.binary(max_size=200))
def test_any_content_is_read_or_refused(data: bytes) -> None:
    text = base64.b64encode(zlib.compress(b"DS1" + PROFILE_ID.encode() + b"\n" + data)).decode()

    try:
        sketch = Sketch.decode(text)
    except SketchError:
        return

    assert (sketch.counts.sum(axis=1) == sketch.n).all()


def test_a_reader_can_set_its_own_bounds() -> None:
    text = empty(k=2, classes=3).encode()

    for bounds in (SketchBounds(max_chars=10), SketchBounds(max_signals=1), SketchBounds(max_classes=2)):
        with pytest.raises(SketchError):
            Sketch.decode(text, bounds)


@given(st.lists(sketches(), min_size=1, max_size=5))
def test_many_are_merged_in_any_order(parts: list[Sketch]) -> None:
    merged = Sketch.merged(parts)

    assert content(merged) == content(Sketch.merged(reversed(parts)))
    assert merged.n == sum(part.n for part in parts)


def test_merging_nothing_is_refused() -> None:
    with pytest.raises(SketchError, match="no sketch to merge"):
        Sketch.merged([])


def test_a_shift_tells_up_from_down_and_out_from_in() -> None:
    flat = np.ones((2, BINS))
    sketch = empty()
    sketch.add_batch(np.stack([np.full(10, BINS - 1), np.full(10, BINS // 2)], axis=1))

    up, out = sketch.shift(flat)

    assert up.round(2).tolist() == [0.48, 0.02]
    assert out.round(2).tolist() == [0.47, -0.47]


def test_nothing_counted_has_not_shifted() -> None:
    up, out = empty().shift(np.ones((2, BINS)))

    assert (up.tolist(), out.tolist()) == ([0.0, 0.0], [0.0, 0.0])
