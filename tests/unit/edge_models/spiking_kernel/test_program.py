"""The program that the kernel reads, made without a compiler."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np

from edge_models.spiking.network import Neurons, Readout, Synapses
from edge_models.spiking.program import to_program
from tests.assets import spiking


def test_a_program_takes_little_more_memory_than_its_words() -> None:
    """Constants of a hostile file are millions; as Python numbers each would take 40 bytes."""
    channels = 1 << 17
    network = spiking.network(0, kind="dense")
    weight = np.ones((1, 1, 1, channels), np.int8)
    large = np.arange(1000, 1000 + channels, dtype=np.int32)
    synapses = Synapses(source=0, kind="conv", weight=weight)
    wide = Neurons(name="wide", shape=(1, 1, channels), synapses=(synapses,), bias=large, threshold=large)
    reads = Synapses(source=1, kind="dense", weight=np.zeros((channels, 1), np.int8))
    readout = Readout(name="r", shape=(1, 1, 1), synapses=(reads,), bias=np.zeros(1, np.int32), scale=1.0)
    spec = dataclasses.replace(network.input, shape=(1,))
    network = dataclasses.replace(network, input=spec, input_shape=(1, 1, 1), nodes=(wide, readout))
    to_program(spiking.network(0))  # what Python and numpy keep from the first time

    tracemalloc.start()
    words, weights = to_program(network)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert words.size > 2 * channels
    assert peak_bytes < 8 * (words.nbytes + weights.nbytes)
