"""The parent's side of reading a trained model as a network that can become spikes."""

from __future__ import annotations

from typing import Literal

from converter.keras_process.process import KerasProcess
from converter.keras_process.spiking.extraction import ExtractSpiking
from converter.spiking.float_archive import from_npz
from converter.spiking.float_network import FloatNetwork


def extract(keras: KerasProcess, *, max_pooling: Literal["refuse", "strided"] = "refuse") -> FloatNetwork:
    """The model of ``keras`` with batch normalisation folded away, without ceilings.

    Args:
        keras: Holds a trained model; it stays as it is.
        max_pooling: ``strided`` puts strided convolutions in the place of maximum pooling; what comes out is another
            function then and has to be fine-tuned.

    Raises:
        ModelError: A layer has no form in spike counts.
    """
    result = keras.folder / "spiking.npz"
    keras.do("reading the network", ExtractSpiking(max_pooling=max_pooling, result=str(result)))
    return from_npz(result.read_bytes())
