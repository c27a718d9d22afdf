"""The fixed case gives the same integers in every executor, on every machine that these tests run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_models.engines.tflite import TfliteModel
from edge_models.spiking.archive import from_npz, to_npz
from edge_models.spiking.collapsed import Collapsed
from edge_models.spiking.installed import load, why_missing
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Coding
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS
from tests.assets.spiking_case import DIGESTS, case, digest, early, exact, held, held_one_by_one, stills, stream

pytestmark = pytest.mark.runtime
ASSETS = Path(__file__).parents[1] / "assets"
codings = pytest.mark.parametrize("coding", CODINGS)


@pytest.fixture(params=[False, True], ids=["any-vectors", "portable"])
def is_portable(request: pytest.FixtureRequest) -> bool:
    if load() is None:
        pytest.skip(why_missing() or "no kernel")
    return bool(request.param)


@pytest.fixture
def kernels(is_portable: bool) -> Iterator[list[Kernel]]:
    opened = [Kernel(case(coding), is_portable=is_portable) for coding in CODINGS]
    yield opened
    for kernel in opened:
        kernel.close()


@codings
def test_numpy_gives_the_digest(coding: Coding) -> None:
    reference = Reference(from_npz(to_npz(case(coding))))

    assert digest(stills(reference)) == DIGESTS[coding]
    assert digest(held_one_by_one(reference)) == DIGESTS[f"{coding}-held"]


def test_numpy_exits_early_with_the_digest() -> None:
    assert digest(early(Reference(case("if")))) == DIGESTS["if-early"]


def test_c_gives_the_digest(kernels: list[Kernel]) -> None:
    assert [digest(stills(kernel)) for kernel in kernels] == [DIGESTS[coding] for coding in CODINGS]


def test_c_gives_the_digest_as_a_stream(kernels: list[Kernel]) -> None:
    assert [digest(exact(kernel)) for kernel in kernels] == [DIGESTS[coding] for coding in CODINGS]


def test_c_gives_the_digest_when_it_holds_small_changes_back(kernels: list[Kernel]) -> None:
    assert [digest(held(kernel)) for kernel in kernels] == [DIGESTS[f"{coding}-held"] for coding in CODINGS]


def test_c_exits_early_with_the_digest(kernels: list[Kernel]) -> None:
    assert digest(early(kernels[CODINGS.index("if")])) == DIGESTS["if-early"]


@pytest.mark.parametrize("delegates", [True, False], ids=["xnnpack", "builtin"])
@pytest.mark.parametrize("coding", ["atf", "radix"])
def test_the_collapsed_graph_gives_the_digest(coding: Coding, delegates: bool) -> None:
    graph = TfliteModel((ASSETS / f"spiking-{coding}.tflite").read_bytes(), delegates=delegates)

    assert digest(stills(Collapsed(graph, steps=case(coding).steps))) == DIGESTS[coding]


@codings
def test_the_case_is_worth_it(coding: Coding) -> None:
    """Every population fires in part, and no two frames of different content have one answer."""
    reference = Reference(case(coding))
    trace = reference.trace(stream()[0])

    assert all(0 < np.count_nonzero(value) < value.size for value in trace[1:-1])
    assert len({answer.logits.tobytes() for answer in stills(reference)}) > 5
