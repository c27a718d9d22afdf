"""Signals of embeddings: known directions, new ones, and wide layers folded."""

from __future__ import annotations

import numpy as np
import pytest

from edge_models.signals import Embedding, measured_embedding
from edge_models.signals.embedding import MAX_WIDTH, component_codes, folded, quantised_components

RNG = np.random.default_rng(0)
KNOWN = RNG.normal(size=(3000, 2)) @ np.array([[3.0, 0, 0, 0], [0, 1.0, 0, 0]]) + 0.1 * RNG.normal(size=(3000, 4))


def by_name(known: Embedding, x: list[float]) -> dict[str, float]:
    return dict(zip(known.signal_names, known.signals(np.array(x)).tolist(), strict=True))


def test_a_step_in_a_known_direction_is_t2_and_in_a_new_one_q() -> None:
    known = measured_embedding(KNOWN)
    rest = by_name(known, [0.0, 0.0, 0.0, 0.0])

    along, across = by_name(known, [9.0, 0.0, 0.0, 0.0]), by_name(known, [0.0, 0.0, 0.0, 9.0])

    assert along["t2"] > rest["t2"] + 5
    assert across["q"] > along["q"] + 3
    assert along["pc_0"] == pytest.approx(3.0, abs=0.2)


def test_many_embeddings_have_the_signals_of_each() -> None:
    known = measured_embedding(KNOWN)

    np.testing.assert_allclose(known.signals(KNOWN[:20]), [known.signals(x) for x in KNOWN[:20]], atol=1e-4)


def test_wide_embeddings_are_folded_and_keep_their_distances() -> None:
    wide = np.random.default_rng(1).normal(size=(50, 1000))

    narrow = folded(wide)

    assert narrow.shape == (50, MAX_WIDTH)
    ratio = np.linalg.norm(narrow[1:] - narrow[0], axis=1) / np.linalg.norm(wide[1:] - wide[0], axis=1)
    np.testing.assert_allclose(ratio, 1, atol=0.2)
    assert narrow[0, :3].tolist() == pytest.approx(folded(wide)[0, :3].tolist())


def test_codes_of_components_are_stable() -> None:
    stored = quantised_components(np.linalg.qr(np.random.default_rng(2).normal(size=(64, 8)))[0].T)

    codes, step = component_codes(stored)

    assert np.array_equal(codes.astype(np.float32) * step[:, None], stored)


def test_embeddings_that_never_change_still_have_signals() -> None:
    known = measured_embedding(np.zeros((10, 4)))

    assert np.isfinite(known.signals(np.zeros(4))).all()
    assert np.isfinite(known.signals(np.ones(4))).all()


def test_an_embedding_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="of 3 numbers, expected 4"):
        measured_embedding(KNOWN).signals(np.zeros(3))
