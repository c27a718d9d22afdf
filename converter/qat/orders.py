"""Orders of quantisation-aware training: one for the Keras 3 process, the others for the Keras 2 process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from converter.keras_process.bench import Answer, Bench
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Write the model down, layer by layer."""

    op: Literal["describe"] = described("Name of the message.", default="describe")
    description: str = described("JSON file to write: a Description.")
    weights: str = described("npz file to write.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Keras 2: take a model that another process has written down."""

    op: Literal["rebuild"] = described("Name of the message.", default="rebuild")
    description: str = described("JSON file with a Description.")
    weights: str = described("npz file.")
    seed: int = described("Of dropout.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulate:
    """Keras 2: round weights and activations from now on as int8 will."""

    op: Literal["simulate"] = described("Name of the message.", default="simulate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Keras 2: convert to full int8 with the ranges that were learnt."""

    op: Literal["finish"] = described("Name of the message.", default="finish")
    int8: str = described(".tflite file to write.")


def describe(bench: Bench, message: Describe) -> Answer:
    """Write both files."""
    from converter.qat.keras3 import described_model

    document, weights = described_model(bench.model)
    Path(message.description).write_bytes(document)
    Path(message.weights).write_bytes(weights)
    return Answer()


def rebuild(bench: Bench, message: Rebuild) -> Answer:
    """Take the model."""
    from converter.qat.keras2 import rebuilt

    bench.model = rebuilt(Path(message.description).read_bytes(), Path(message.weights), message.seed)
    return Answer()


def simulate(bench: Bench, _: Simulate) -> Answer:
    """Put simulated rounding into the model."""
    from converter.qat.keras2 import simulated

    bench.model = simulated(bench.model)
    return Answer()


def finish(bench: Bench, message: Finish) -> Answer:
    """Write the file."""
    from converter.qat.keras2 import int8_file

    Path(message.int8).write_bytes(int8_file(bench.model))
    return Answer()
