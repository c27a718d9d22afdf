"""What the program tells its TensorFlow process to do, one JSON line each; arrays travel as npz files beside.

The answer to each is one JSON line: the values of ``Answer``. A new order is a message and a function in one of the
modules here, and an entry in ``HANDLERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from converter.keras_process import conversion, learning, making, pretraining, sensitivity
from converter.keras_process.bench import Answer, Bench
from converter.keras_process.conversion import Convert
from converter.keras_process.learning import Fit, Predict, Recall, Remember, Schedule
from converter.keras_process.making import Create, Load, Save
from converter.keras_process.pretraining import EndPretraining, Pretrain, PretrainEpoch
from converter.keras_process.sensitivity import Examine
from converter.keras_process.spiking import extraction, tuning
from converter.keras_process.spiking.extraction import ExtractSpiking
from converter.keras_process.spiking.tuning import EndTuning, TuneSpiking, TuneSteps
from converter.qat import orders
from converter.qat.orders import Describe, Finish, Rebuild, Simulate
from edge_models.fields import described

MAX_LINE_BYTES = 1 << 20

Message = (
    Create
    | Load
    | Save
    | Schedule
    | Fit
    | Predict
    | Remember
    | Recall
    | Convert
    | Examine
    | Pretrain
    | PretrainEpoch
    | EndPretraining
    | ExtractSpiking
    | TuneSpiking
    | TuneSteps
    | EndTuning
    | Describe
    | Rebuild
    | Simulate
    | Finish
)

HANDLERS: Mapping[type[Message], Callable[[Bench, Any], Answer]] = MappingProxyType(
    {
        Create: making.create,
        Load: making.load,
        Save: making.save,
        Schedule: learning.schedule,
        Fit: learning.fit,
        Predict: learning.predict,
        Remember: learning.remember,
        Recall: learning.recall,
        Convert: conversion.convert,
        Examine: sensitivity.examine,
        Pretrain: pretraining.pretrain,
        PretrainEpoch: pretraining.pretrain_epoch,
        EndPretraining: pretraining.end_pretraining,
        ExtractSpiking: extraction.extract_spiking,
        TuneSpiking: tuning.tune_spiking,
        TuneSteps: tuning.tune_steps,
        EndTuning: tuning.end_tuning,
        Describe: orders.describe,
        Rebuild: orders.rebuild,
        Simulate: orders.simulate,
        Finish: orders.finish,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One line to the process."""

    do: Message = described("What to do.")
