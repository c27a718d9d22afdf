"""A spiking bundle that reads digits, without training: random neurons, and a readout by least squares.

It is right about nine times in ten and has a profile, so streams, drift and learning can be tested on it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.engines.spiking import spiking_outputs
from edge_models.manifest import Artifact, Manifest, Probe, Requires, Tolerance
from edge_models.npz import write_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import build_profile
from edge_models.selftest import output_key
from edge_models.signals import OUTPUT_SIGNALS, input_signal_names, input_signals_batch, output_signals, softmax
from edge_models.spiking.archive import to_npz
from edge_models.spiking.network import Network, Neurons, Readout, Synapses
from edge_models.spiking.reference import Reference
from edge_models.tensors import QuantParams, TensorSpec
from tests.factories.bundles import INPUT, LABELS
from tests.factories.frames import FULL, digit_frames

SPIKING = "spiking"
STEPS, NEURONS = 4, 96
_GAIN = 12.0  # makes one-hot regression confident
_CODE = TensorSpec(shape=(8, 8, 1), dtype="uint8", quant=QuantParams(scale=1 / FULL, zero_point=0))


def make_spiking_digits(directory: Path, *, serial: int = 1) -> Bundle:
    """Write the bundle."""
    network = digits_network()
    files = {
        "model.spiking.npz": to_npz(network),
        "spiking-probe.npz": _probe(network),
        "spiking-profile.npz": _profile(network),
    }
    artifact = Artifact(
        engine="spiking",
        file="model.spiking.npz",
        coding=network.coding,
        requires=Requires(runtimes=("numpy",)),
        input=network.input,
        outputs=spiking_outputs(network),
        profile="spiking-profile.npz",
        probe=Probe(file="spiking-probe.npz", count=8),
        tolerance=Tolerance(exact_lsb=0, delegate_lsb=0),
    )
    manifest = Manifest(
        format_version=1,
        model="digits",
        version="1.0",
        serial=serial,
        task="classification",
        labels=LABELS,
        input=INPUT,
        files=file_entries(files),
        artifacts={SPIKING: artifact},
    )
    return write_bundle(directory, manifest, files)


@functools.cache
def digits_network() -> Network:
    """The network."""
    rng = np.random.default_rng(4)
    x, y = digit_frames(1500, seed=21)
    weight = np.rint(rng.normal(0, 40, (64, NEURONS))).clip(-127, 127).astype(np.int8)
    current = STEPS * (x.reshape(-1, 64).astype(np.int64) @ weight)
    threshold = np.maximum(1, np.percentile(current, 95, axis=0) / STEPS).astype(np.int32)
    hidden = Neurons(
        name="hidden",
        shape=(1, 1, NEURONS),
        synapses=(Synapses(source=0, kind="dense", weight=weight),),
        bias=np.zeros(NEURONS, np.int32),
        threshold=threshold,
    )
    silent = _network(hidden, np.zeros((NEURONS, 10), np.int8), np.zeros(10, np.int32), 1.0)
    _, counts = Reference(silent).run_batch(_x(x))
    solved = _regression(counts, y)
    scale = _GAIN * STEPS * float(np.abs(solved[:-1]).max()) / 127
    return _network(
        hidden,
        np.rint(_GAIN * STEPS * solved[:-1] / scale).astype(np.int8),
        np.rint(_GAIN * solved[-1] / scale).astype(np.int32),
        scale,
    )


def _regression(counts: NDArray[np.int32], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights (features, classes) and, as the last row, biases of ridge regression to one-hot classes."""
    a = np.concatenate([counts, np.ones((len(counts), 1))], axis=1)
    solved: NDArray[np.float64] = np.linalg.solve(a.T @ a + 10.0 * np.eye(a.shape[1]), a.T @ np.eye(10)[y])
    return solved


def _network(hidden: Neurons, weight: NDArray[np.int8], bias: NDArray[np.int32], scale: float) -> Network:
    readout = Readout(
        name="readout",
        shape=(1, 1, 10),
        synapses=(Synapses(source=1, kind="dense", weight=weight),),
        bias=bias,
        scale=scale,
    )
    return Network(coding="atf", steps=STEPS, input=_CODE, input_shape=(8, 8, 1), nodes=(hidden, readout))


def _x(frames: NDArray[np.uint8]) -> NDArray[np.int32]:
    return frames.astype(np.int32)[..., None]


def _probe(network: Network) -> bytes:
    frames = digit_frames(8, seed=3)[0]
    logits, counts = Reference(network).run_batch(_x(frames))
    return write_npz({"x": frames[..., None], output_key("logits"): logits, output_key("counts"): counts})


def _profile(network: Network) -> bytes:
    frames = digit_frames(1500, seed=11)[0]
    x = Preprocessor(INPUT).batch(frames)
    logits, _ = Reference(network).run_batch(_x(frames))
    chances = softmax(logits * (network.readout.scale / network.levels))
    values = np.concatenate((input_signals_batch("image", x), output_signals(chances)), axis=1)
    names = input_signal_names("image", x.shape[1:]) + OUTPUT_SIGNALS
    return build_profile(names, values, chances.argmax(axis=1), len(LABELS)).to_npz()
