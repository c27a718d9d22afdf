"""The part of report.json about the spiking artifact: operations, energy, faults, stopping early."""

from __future__ import annotations

from typing import Any

from converter.spiking.energy import EnergyEstimate
from converter.spiking.operations import Operations
from converter.spiking.study import SpikingStudy

ENERGY_NOTE = (
    "An estimate from counted operations and published costs, not a measurement: moving weights, activations and "
    "membranes through memories is outside of it and usually needs more than the arithmetic. Synapses alone are "
    "counted; what neurons do by themselves is outside as well, on all sides."
)


def spikes_document(study: SpikingStudy) -> dict[str, Any]:
    """The study with the figures that follow from it; values may still be dataclasses."""
    return {
        "coding": study.coding,
        "levels": study.levels,
        "operations": _operations(study.operations),
        "energy": {"note": ENERGY_NOTE, "estimates": [_estimate(one) for one in study.energy]},
        "robustness": study.robustness,
        "early_exits": study.early_exits,
    }


def _operations(found: Operations) -> dict[str, Any]:
    return {
        "examples": found.examples,
        "steps": found.steps,
        "neurons": found.neurons,
        "footprint_bytes": found.footprint_bytes,
        "connection_sparsity": found.connection_sparsity,
        "activation_sparsity": found.activation_sparsity,
        "dense_macs": found.dense_macs,
        "effective_macs": found.effective_macs,
        "effective_acs": found.effective_acs,
        "synaptic_operations": found.effective_macs + found.effective_acs,
        "unary_acs": found.unary_acs,
        "layers": found.layers,
    }


def _estimate(one: EnergyEstimate) -> dict[str, Any]:
    return {
        "costs": one.costs,
        "spiking_uj": one.spiking_uj,
        "unary_uj": one.unary_uj,
        "int8_uj": one.int8_uj,
        "float32_uj": one.float32_uj,
        "below_int8": one.below_int8,
        "below_float32": one.below_float32,
    }
