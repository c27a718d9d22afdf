"""Reference profiles: quantiles, bins with ties, and what a stored profile may not be."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edge_models.errors import ArchiveError
from edge_models.npz import read_npz, write_npz
from edge_models.profile import (
    BINS,
    ImpactModel,
    Profile,
    build_profile,
    contexts_from_npz,
    contexts_to_npz,
    measured_context,
)
from edge_models.signals import measured_embedding

VALUES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 40), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 1.0, 0.99609375]),
)


def profile_of(values: NDArray[Any], predicted: NDArray[Any] | None = None, classes: int = 0) -> Profile:
    return build_profile([f"s{j}" for j in range(values.shape[1])], values, predicted, classes)


def normal(n: int = 1000, k: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(n, k))


@given(VALUES)
def test_edges_never_fall_and_the_reference_is_counted_whole(values: NDArray[np.float64]) -> None:
    profile = profile_of(values)

    assert (np.diff(profile.edges, axis=1) >= 0).all()
    assert (profile.reference.sum(axis=1) == len(values)).all()
    assert profile.n_ref == len(values)


@given(VALUES)
def test_a_stored_profile_is_read_back_with_the_same_identity(values: NDArray[np.float64]) -> None:
    profile = profile_of(values, np.zeros(len(values), int), 3)

    read = Profile.from_npz(profile.to_npz())

    assert read.id == profile.id
    assert len(read.id) == 16
    assert read.signals == profile.signals
    assert read.to_npz() == profile.to_npz()


@given(VALUES, st.data())
def test_bins_rise_with_the_value(values: NDArray[np.float64], data: st.DataObject) -> None:
    profile = profile_of(values)
    a, b = sorted((data.draw(st.floats(-2e6, 2e6)), data.draw(st.floats(-2e6, 2e6))))

    low, high = (profile.bins(np.full(values.shape[1], value)) for value in (a, b))

    assert (low <= high).all()
    assert low.min() >= 0
    assert high.max() < BINS


def test_bins_of_a_smooth_signal_share_the_reference_evenly() -> None:
    profile = profile_of(normal(3200))

    assert profile.reference.min() >= 95
    assert profile.reference.max() <= 105


def test_bins_of_one_frame_and_of_many_are_the_same() -> None:
    values = normal(50)
    profile = profile_of(values)

    together = profile.bins(values)

    assert together.shape == (50, 3)
    np.testing.assert_array_equal(np.stack([profile.bins(row) for row in values]), together)


def test_values_beyond_the_reference_fall_into_the_outer_bins() -> None:
    profile = profile_of(normal())

    assert profile.bins(np.full(3, -1e30)).tolist() == [0, 0, 0]
    assert profile.bins(np.array([1e30, np.inf, 99.0])).tolist() == [31, 31, 31]


def test_a_signal_that_was_constant_tells_less_same_and_more_apart() -> None:
    profile = profile_of(np.full((100, 1), 0.5))

    assert [int(profile.bins(np.array([value]))[0]) for value in (0.4, 0.5, 0.6)] == [0, 16, 31]
    assert profile.reference[0, 16] == 100


@pytest.mark.parametrize(("saturated", "share"), [("top", 0.6), ("bottom", 0.6), ("top", 0.2), ("bottom", 0.2)])
def test_a_saturated_signal_tells_its_limit_from_both_sides(saturated: str, share: float) -> None:
    free = np.random.default_rng(0).uniform(0.1, 0.9, 1000)
    limit = 1.0 if saturated == "top" else 0.0
    values = np.where(np.arange(1000) < share * 1000, limit, free)[:, None]
    profile = profile_of(values)

    below, at, above = (int(profile.bins(np.array([limit + delta]))[0]) for delta in (-0.05, 0.0, 0.05))

    assert below < at < above
    assert profile.reference[0, at] == pytest.approx(share * 1000, abs=1)


def test_the_last_digits_of_a_float32_do_not_move_a_tied_value() -> None:
    profile = profile_of(np.full((100, 1), 0.1))

    for wobble in (-1e-8, 0.0, 1e-8):
        assert profile.bins(np.array([np.float32(0.1) + wobble]))[0] == 16


def test_class_shares_mean_and_std_are_those_of_the_reference() -> None:
    values = normal(100)
    profile = profile_of(values, np.arange(100) % 4, 5)

    np.testing.assert_allclose(profile.class_prior, [0.25, 0.25, 0.25, 0.25, 0])
    np.testing.assert_allclose(profile.mean, values.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(profile.std, values.std(axis=0), rtol=1e-5)


def test_a_model_without_classes_has_an_empty_prior() -> None:
    assert Profile.from_npz(profile_of(normal()).to_npz()).class_prior.size == 0


@pytest.mark.parametrize(
    "values", [np.zeros((0, 2)), np.zeros(2), np.zeros((3, 5)), np.array([[1.0, np.nan]]), np.array([[1.0, np.inf]])]
)
def test_values_that_are_no_reference_are_a_callers_mistake(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        build_profile(["a", "b"], values, None, 0)


@functools.cache
def large(contexts: int, width: int) -> Profile:
    """25 signals, 12 classes, an embedding, an impact model: all that a profile can have."""
    n = 1200
    rng = np.random.default_rng(0)
    embeddings = np.maximum(rng.normal(size=(n, width)) @ rng.normal(size=(width, width)), 0)
    known = measured_embedding(embeddings)
    values = np.concatenate([rng.normal(size=(n, 15)) @ rng.normal(size=(15, 15)), known.signals(embeddings)], axis=1)
    figures = rng.normal(size=(3, 51)).astype(np.float16).astype(np.float32)
    return build_profile(
        (*(f"a_signal_{i}" for i in range(15)), *known.signal_names),
        values,
        rng.integers(0, 12, n),
        12,
        groups={f"context-{i}": np.arange(n) % contexts == i for i in range(1, contexts)},
        embedding=known,
        truth=rng.integers(0, 12, n),
        temperature=1.3,
        artifact_sha256="0123456789abcdef" * 4,
        runtime="ai-edge-litert 2.1.0",
        impact=ImpactModel(
            mean=figures[0],
            std=np.abs(figures[1]) + 1,
            weights=figures[2],
            intercept=0.9,
            residual_90=0.03,
            residual_slope=0.5,
            reference_accuracy=0.91,
        ),
    )


@pytest.mark.parametrize(("contexts", "width"), [(1, 256), (4, 64)])
def test_a_profile_with_all_that_there_is_takes_at_most_twelve_kilobytes(contexts: int, width: int) -> None:
    assert len(large(contexts, width).to_npz()) <= 12 * 1024


def test_everything_that_a_profile_has_is_read_back() -> None:
    profile = large(4, 64)

    read = Profile.from_npz(profile.to_npz())

    assert read.id == profile.id
    assert read.to_npz() == profile.to_npz()
    assert [context.name for context in read.contexts] == ["reference", "context-1", "context-2", "context-3"]
    np.testing.assert_array_equal(read.column_edges, profile.column_edges)
    np.testing.assert_array_equal(read.contexts[1].u_mean, profile.contexts[1].u_mean)
    np.testing.assert_array_equal(read.contexts[2].histogram, profile.contexts[2].histogram)
    np.testing.assert_allclose(read.contexts[2].class_prior, profile.contexts[2].class_prior)
    assert read.embedding is not None
    assert profile.embedding is not None
    np.testing.assert_array_equal(read.embedding.components, profile.embedding.components)
    assert (read.temperature, read.runtime, read.impact is None) == (1.3, "ai-edge-litert 2.1.0", False)


def test_contexts_share_the_reference_and_need_their_own_frames() -> None:
    values = normal(900)
    third = np.arange(900) % 3
    profile = build_profile("abc", values, None, 0, groups={"day": third == 0, "night": third == 1})

    assert [(context.name, context.n) for context in profile.contexts] == [
        ("reference", 300),
        ("day", 300),
        ("night", 300),
    ]
    assert profile.n_ref == 900
    with pytest.raises(ValueError, match="in more than one group"):
        build_profile("abc", values, None, 0, groups={"day": third == 0, "night": third <= 1})
    with pytest.raises(ValueError, match="group night has 0 frames"):
        build_profile("abc", values, None, 0, groups={"night": third == 9})
    with pytest.raises(ValueError, match="expected at most 4"):
        build_profile("abc", values, None, 0, groups={f"g{i}": np.arange(900) % 5 == i for i in range(5)})


def test_a_context_that_a_device_learns_is_stored_for_its_profile_alone() -> None:
    profile, other = profile_of(normal()), profile_of(normal() + 1)
    learnt = measured_context(profile, "night", normal(500) + 2, None)

    data = contexts_to_npz([learnt], profile)

    [read] = contexts_from_npz(data, profile)
    assert (read.name, read.n) == ("night", 500)
    assert read.u_mean[:3].min() > 0.8
    np.testing.assert_array_equal(read.histogram, learnt.histogram)
    assert contexts_from_npz(data, other) == ()
    with pytest.raises(ArchiveError):
        contexts_from_npz(data[:-30], profile)


def test_whitened_columns_are_uncorrelated_and_of_unit_variance() -> None:
    mixed = normal(4000) @ np.array([[1.0, 0.9, 0], [0, 0.5, 0.3], [0, 0, 2]])
    profile = profile_of(mixed)

    columns = profile.columns(mixed)

    assert columns.shape == (4000, 7)
    np.testing.assert_allclose(np.cov(columns[:, 3:6].T), np.eye(3), atol=0.02)


def test_ranks_of_the_reference_are_even() -> None:
    values = normal(4000)
    profile = profile_of(values)

    ranks = profile.ranks(profile.columns(values))

    np.testing.assert_allclose(ranks.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(ranks.std(axis=0), 1 / np.sqrt(12), atol=0.01)
    np.testing.assert_allclose(profile.contexts[0].u_mean, ranks.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(profile.contexts[0].high, 0.002, atol=0.001)


@functools.cache
def small() -> bytes:
    return profile_of(normal(), np.zeros(1000, int), 2).to_npz()


def stored(**changes: NDArray[Any]) -> bytes:
    arrays_by_name = read_npz(small(), max_bytes=1 << 20)
    return write_npz(arrays_by_name | changes)


def about(**changes: object) -> dict[str, NDArray[Any]]:
    header = json.loads(read_npz(stored(), max_bytes=1 << 20)["about"].tobytes()) | changes
    return {"about": np.frombuffer(json.dumps(header).encode(), np.uint8)}


def planes(values: NDArray[Any]) -> NDArray[np.uint8]:
    singles = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, values.itemsize)
    return np.ascontiguousarray(np.moveaxis(singles, -1, 0))


EDGES = np.tile(np.arange(33, dtype=np.float16), (7, 1))
COUNTS = np.eye(3, 32, dtype=np.uint32)[None] + np.arange(3, dtype=np.uint32)[:, None]
WRONG: dict[str, dict[str, NDArray[Any]]] = {
    "falling edges": {"column_edges": planes(EDGES[:, ::-1])},
    "an edge that is NaN": {"column_edges": planes(np.where(EDGES == 5, np.nan, EDGES).astype(np.float16))},
    "an infinite edge": {"column_edges": planes(np.where(EDGES == 32, np.inf, EDGES).astype(np.float16))},
    "too few edges": {"column_edges": planes(EDGES[:, :32])},
    "edges in float64": {"column_edges": planes(EDGES.astype(np.float64))},
    "edges that are no bytes": {"column_edges": EDGES},
    "falling tails": {"tails": np.tile(np.array([1, 0], np.float16), (7, 1))},
    "fewer signals than edges": about(signals=["a", "b"]),
    "two signals of one name": about(signals=["a", "b", "a"]),
    "a signal without a name": about(signals=["a", "", "c"]),
    "no signals": about(signals=[]),
    "no contexts": about(contexts=[]),
    "more contexts than counts": about(contexts=["reference", "night"]),
    "a context with a strange name": about(contexts=["../night"]),
    "a header that is no JSON": {"about": np.array([255, 254], np.uint8)},
    "counts that do not sum": {"context_histograms": planes(COUNTS)},
    "counts of another width": {"context_histograms": planes(np.zeros((1, 3, 31), np.uint32))},
    "no reference frames": {"context_histograms": planes(np.zeros((1, 3, 32), np.uint32))},
    "more frames with a class than frames": {"context_classes": np.array([[900, 900]], np.uint32)},
    "a rank above 1": {"context_ranks": planes(np.full((1, 6, 7), 2, np.float16))},
    "ranks of too few columns": {"context_ranks": planes(np.zeros((1, 6, 6), np.float16))},
    "a mean that is NaN": {"moments": np.full((2, 3), np.nan, np.float32)},
    "a std below 0": {"moments": np.full((2, 3), -1, np.float32)},
    "a std of another length": {"moments": np.zeros((2, 4), np.float32)},
    "whitening of other signals": {"whitening": np.eye(4, dtype=np.float16)},
    "a temperature of 0": about(temperature=0.0),
    "a digest that is none": about(artifact_sha256="abc"),
    "an embedding without components": about(embedding_width=32, embedding_unit=1.0),
    "an impact model of one number": {"impact": np.ones((3, 7), np.float16)},
    "an impact model without spread": {"impact": np.zeros((3, 7), np.float16), **about(impact=[0.9, 0.1, 0.0, 0.9])},
    "confusion of other classes": {
        "confusion_predicted": np.zeros((3, 1), np.uint16),
        "confusion_share": np.ones((3, 1), np.float16),
    },
    "an array more": {"surprise": np.zeros(3)},
    "a newer extractor": about(extractor=99),
    "a newer format": about(format=99),
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_a_stored_profile_that_cannot_be_computed_with_is_refused(changes: dict[str, NDArray[Any]]) -> None:
    with pytest.raises(ArchiveError) as caught:
        Profile.from_npz(stored(**changes))

    assert "\n" not in str(caught.value)


def test_a_profile_of_the_first_format_says_what_to_do() -> None:
    first = write_npz({"edges": np.zeros((3, 33), np.float32), "mean": np.zeros(3, np.float32)})

    with pytest.raises(ArchiveError, match=r"found format 1, expected 2; build the bundle again"):
        Profile.from_npz(first)


def test_a_profile_of_another_artifact_is_refused() -> None:
    profile = build_profile("ab", normal(k=2), None, 0, artifact_sha256="ab" * 32)

    assert Profile.from_npz(profile.to_npz(), artifact_sha256="ab" * 32).id == profile.id
    assert Profile.from_npz(small(), artifact_sha256="cd" * 32).artifact_sha256 == ""
    with pytest.raises(ArchiveError, match="taken through an artifact of sha256 abababababab, expected cdcdcdcdcdcd"):
        Profile.from_npz(profile.to_npz(), artifact_sha256="cd" * 32)


@pytest.mark.parametrize("data", [b"", b"PK", b"\x00" * 100])
def test_bytes_that_are_no_profile_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        Profile.from_npz(data)
