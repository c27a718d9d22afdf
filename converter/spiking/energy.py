"""An estimate of the energy of arithmetic, from counted operations and published costs; nothing here was measured.

What usually needs most is left out of such estimates: moving weights, activations and membranes through memories, and
everything that runs while nothing is computed. So is what a neuron does by itself, a comparison and a subtraction or,
of a count, a division, as are the biases and rectifiers of an ANN: few beside the synapses. They compare arithmetic,
not devices.
"""

from __future__ import annotations

from dataclasses import dataclass

from converter.spiking.operations import Operations

PJ_PER_UJ = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Published energy of single operations, in picojoules.

    Attributes:
        process: Of the chips.
        source: Who published it.
        int8_multiply: Eight by eight bits.
        int32_add: Into an accumulator.
        float32_multiply: Single precision.
        float32_add: Single precision.
    """

    process: str
    source: str
    int8_multiply: float
    int32_add: float
    float32_multiply: float
    float32_add: float

    @property
    def int8_mac(self) -> float:
        """A product of bytes, added to 32 bits."""
        return self.int8_multiply + self.int32_add

    @property
    def float32_mac(self) -> float:
        """A product, added."""
        return self.float32_multiply + self.float32_add


COSTS = (
    Costs(
        process="45 nm",
        source="M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9",
        int8_multiply=0.2,
        int32_add=0.1,
        float32_multiply=3.7,
        float32_add=0.9,
    ),
    Costs(
        process="7 nm",
        source="N. Jouppi et al., Ten Lessons From Three Generations Shaped Google's TPUv4i, ISCA 2021, table 2",
        int8_multiply=0.07,
        int32_add=0.03,
        float32_multiply=1.31,
        float32_add=0.38,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyEstimate:
    """Arithmetic of one inference with the costs of one process, in microjoules.

    Attributes:
        costs: Of single operations.
        spiking_uj: int8 products of values, int32 additions of spikes.
        unary_uj: The same network if every graded count were sent as so many single spikes.
        int8_uj: The same network as an int8 ANN, nothing left out.
        float32_uj: The same network as a float32 ANN, nothing left out.
    """

    costs: Costs
    spiking_uj: float
    unary_uj: float
    int8_uj: float
    float32_uj: float

    @property
    def below_int8(self) -> float:
        """How many times less than the int8 ANN."""
        return self.int8_uj / self.spiking_uj

    @property
    def below_float32(self) -> float:
        """How many times less than the float32 ANN."""
        return self.float32_uj / self.spiking_uj


def energy_estimate(found: Operations, costs: Costs) -> EnergyEstimate:
    """The arithmetic of ``found`` with ``costs``."""
    return EnergyEstimate(
        costs=costs,
        spiking_uj=(found.effective_macs * costs.int8_mac + found.effective_acs * costs.int32_add) / PJ_PER_UJ,
        unary_uj=(found.input_macs * costs.int8_mac + found.unary_acs * costs.int32_add) / PJ_PER_UJ,
        int8_uj=found.dense_macs * costs.int8_mac / PJ_PER_UJ,
        float32_uj=found.dense_macs * costs.float32_mac / PJ_PER_UJ,
    )
