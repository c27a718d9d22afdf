"""The fixed case on every executor here, and whether artifacts that are not right are refused with a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.errors import EdgeModelsError
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.archive import from_npz
from edge_models.spiking.executor import Executor
from edge_models.spiking.installed import load
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Network, Neurons, Readout
from edge_models.spiking.ranges import check
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS
from tests.assets.spiking_case import DIGESTS, case, digest, stills
from tests.benchmarks.harness import Row, Target
from tests.benchmarks.spikes.nets import SPIKING

Arrays = dict[str, NDArray[np.generic]]


def fixed_case() -> tuple[Row, Target]:
    """How many executors give the digests that are written down for all machines."""
    executors: list[tuple[str, Executor]] = []
    for coding in CODINGS:
        network = case(coding)
        executors.append((coding, Reference(network)))
        if load() is not None:
            executors += [(coding, Kernel(network)), (coding, Kernel(network, is_portable=True))]
    wrong = [
        f"{executor.name} {coding}" for coding, executor in executors if digest(stills(executor)) != DIGESTS[coding]
    ]
    row = Row(name="fixed case", values={"executors": len(executors), "differing": ", ".join(wrong) or "none"})
    return row, Target(name="fixed case: executors with another hash", value=len(wrong), op="==", target=0)


def refusals(bundle: Bundle) -> Iterator[Row]:
    """A line for each damage of the bundle's network, with what is said of it; "ACCEPTED" where nothing is."""
    data = bundle.read(bundle.artifact(SPIKING).file)
    for name, load_it in _damages(data):
        try:
            load_it()
        except EdgeModelsError as exc:
            yield Row(name=f"bad file: {name}", values={"reason": str(exc)})
        else:
            yield Row(name=f"bad file: {name}", values={"reason": ACCEPTED})


ACCEPTED = "ACCEPTED"


def _damages(data: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    network = from_npz(data)
    arrays: Arrays = dict(read_npz(data, max_bytes=len(data) * 100))
    yield "truncated", lambda: from_npz(data[: len(data) // 2])
    yield "weights cut off", lambda: from_npz(_with(arrays, weight=arrays["weight"][:-1]))
    yield "weights of another type", lambda: from_npz(_with(arrays, weight=arrays["weight"].astype(np.int16)))
    header = arrays["header"].tobytes()
    yield "scale NaN", lambda: from_npz(_with(arrays, header=_scaled(header)))
    yield "an accumulator beyond int32", lambda: check(_overflowing(network))
    yield "a threshold of 0", lambda: check(_without_threshold(network))


def _with(arrays: Arrays, **changed: NDArray[np.generic]) -> bytes:
    return write_npz({**arrays, **changed})


def _scaled(header: bytes) -> NDArray[np.uint8]:
    """The header with NaN as the scale of the readout, its last one."""
    before, key, after = header.rpartition(b'"scale":')
    end = min(at for at in (after.find(b","), after.find(b"}")) if at >= 0)
    return np.frombuffer(before + key + b"NaN" + after[end:], np.uint8)


def _overflowing(network: Network) -> Network:
    readout = network.readout
    wide = dataclasses.replace(readout, bias=np.full_like(readout.bias, np.iinfo(np.int32).max))
    return dataclasses.replace(network, nodes=(*network.nodes[:-1], wide))


def _without_threshold(network: Network) -> Network:
    first = network.nodes[0]
    if not isinstance(first, Neurons):
        raise TypeError(
            f"the first node is {type(first).__name__}, expected {Neurons.__name__} and not {Readout.__name__}"
        )
    broken = dataclasses.replace(first, threshold=np.zeros_like(first.threshold))
    return dataclasses.replace(network, nodes=(broken, *network.nodes[1:]))
