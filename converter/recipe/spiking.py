"""The recipe's section ``spiking``: how the trained network becomes a spiking one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described

CodingName = Literal["atf", "radix", "if"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingTrainingRecipe:
    """Fine-tuning with the activation that spikes can express."""

    steps: int = described("Updates.", default=2000, ge=1, le=1_000_000)
    batch: int = described("Examples of an update.", default=128, ge=1, le=4096)
    learning_rate: float = described("At the start; it falls along a cosine.", default=1e-3, ge=1e-8, le=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingRecipe:
    """A spiking artifact beside the others, from the same trained network."""

    coding: CodingName = described(
        "atf: every layer gathers its input before it fires, graded counts; radix: the same function in bit planes; "
        "if: plain integrate-and-fire, step by step.",
        default="atf",
    )
    levels: int = described(
        "Levels of an activation: 15 loses least, 4 is the lite form. atf takes as many steps, radix needs one less "
        "than a power of two.",
        default=15,
        ge=1,
        le=255,
    )
    steps: int | None = described("if: time steps; as many as levels when left out.", default=None, ge=1, le=255)
    training: SpikingTrainingRecipe | None = described(
        "Fine-tuning with clip-floor-shift activations and trained thresholds; when left out, thresholds and biases "
        "are set on the calibration examples alone.",
        default=None,
    )
    surrogate: SpikingTrainingRecipe | None = described(
        "if: fine-tuning through the spikes with a surrogate gradient, after the one above.", default=None
    )
    calibration: int = described("Training examples for thresholds and biases.", default=512, ge=8, le=10000)
    max_pooling: Literal["refuse", "strided"] = described(
        "Maximum pooling has no form in counts: refuse it, or put strided convolutions in its place and fine-tune.",
        default="refuse",
    )
    early_exit: float | None = described(
        "if: share of the accuracy on training examples that may be lost by ending a frame as soon as it is decided; "
        "all steps are run when left out.",
        default=None,
        ge=0,
        le=1,
    )
    collapsed: bool = described(
        "Also write the integer graph as .tflite, the fastest for still pictures; there is none of coding if.",
        default=True,
    )
    drop: float = described("Gate: what the metric may lose against float32.", default=0.015, ge=0, le=1)

    def __post_init__(self) -> None:
        """Refuse settings that no coding has."""
        if self.coding == "radix" and (self.levels & (self.levels + 1)):
            below, above = (1 << (self.levels.bit_length() - 1)) - 1, (1 << self.levels.bit_length()) - 1
            raise ValueError(
                f"levels {below} or {above} with coding radix (2^T - 1 for T bit planes), not {self.levels}"
            )
        if self.coding != "if" and self.steps is not None:
            raise ValueError(f"steps with coding if alone, coding {self.coding} takes its steps from levels")
        if self.coding != "if" and self.surrogate is not None:
            raise ValueError(f"surrogate with coding if alone, coding {self.coding} needs section training")
        if self.early_exit is not None and (self.coding != "if" or not self.examples):
            raise ValueError("early_exit with coding if and section training or surrogate alone, which have examples")
        if self.max_pooling == "strided" and self.training is None:
            raise ValueError("section training beside max_pooling: strided, whose convolutions have to be learnt")

    @property
    def examples(self) -> int:
        """Examples that the fine-tunings of this section see, those that come again included."""
        return sum(one.steps * one.batch for one in (self.training, self.surrogate) if one is not None)

    @property
    def timesteps(self) -> int:
        """Time steps of the network; bit planes for radix.

        Examples:
            >>> SpikingRecipe(coding="radix", levels=15).timesteps
            4
        """
        if self.coding == "radix":
            return self.levels.bit_length()
        return self.levels if self.steps is None else self.steps
