"""The sections about learning: ``training``, ``pretrain``, ``label_curve``, ``search``, ``augment`` and ``retrain``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from converter.corruptions import Corruption
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How the network learns."""

    epochs: int = described(
        "Passes over the training data; 0 converts a saved model as it is.", default=20, ge=0, le=10000
    )
    batch: int = described("Examples in a step.", default=64, ge=1, le=65536)
    learning_rate: float = described("At the start; it falls to nearly 0 along a cosine.", default=0.002, ge=1e-7, le=1)
    weight_decay: float = described("Decoupled weight decay (AdamW).", default=0.0, ge=0, le=1)
    l1: float = described("Penalty on the absolute values of kernels.", default=0.0, ge=0, le=1)
    l2: float = described("Penalty on the squares of kernels.", default=0.0, ge=0, le=1)
    label_smoothing: float = described("Share of a label that is spread over all classes.", default=0.0, ge=0, le=0.5)
    patience: int | None = described(
        "Stop when the validation loss has not improved for so many epochs, and go back to the best weights.",
        default=None,
        ge=1,
        le=10000,
    )
    balance: bool = described("Weigh classes so that each counts the same.", default=False)
    folds: int | None = described(
        "Stratified k-fold cross-validation of all but the test part with so many folds, before the final training; "
        "its figures are reported.",
        default=None,
        ge=2,
        le=20,
    )
    seed: int = described("Of everything random.", default=1, ge=0, le=2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRecipe:
    """Self-supervised pre-training on the training part without its labels and on dataset.unlabelled."""

    method: Literal["contrastive", "masked"] = described(
        "contrastive for images and audio (SimCLR, Chen et al. 2020); masked for rows: what was hidden is restored.",
        default="contrastive",
    )
    epochs: int = described("Passes over the unlabelled data.", default=20, ge=1, le=10000)
    batch: int = described("Examples in a step; contrastive learning wants many.", default=256, ge=2, le=65536)
    learning_rate: float = described("At the start; it falls to nearly 0 along a cosine.", default=0.002, ge=1e-7, le=1)
    temperature: float = described("Of the contrastive loss.", default=0.2, ge=0.01, le=10)
    projection: int = described("Width of the projection head, which is thrown away.", default=64, ge=2, le=4096)
    mask: float = described("masked: share of values that are hidden.", default=0.3, ge=0.01, le=0.95)
    views: Corruption | None = described(
        "contrastive, images: standard deviation of each camera parameter between two views; a default when left out.",
        default=None,
    )
    then: Literal["all", "fine", "head"] = described(
        "What learns with the labels afterwards: all; fine, all but the statistics of batch normalisation; or head, "
        "the last layer alone, which is best with a few labels of each class (with training.l2 at about 0.03).",
        default="all",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCurveRecipe:
    """How good the model would be with fewer labels: a curve in the report, from scratch and after pre-training."""

    per_class: tuple[int, ...] = described(
        "Labels of each class at each point of the curve.", default=(5, 10, 20, 50), ge=1, le=100000, max_length=16
    )
    seeds: int = described("Trainings at each point, each with other labels.", default=3, ge=1, le=50)
    updates: int = described("Steps of each training, however many labels it has.", default=400, ge=1, le=10**6)
    scratch: TrainingRecipe | None = described(
        "The training from scratch, where other values are best for it; section training when left out.", default=None
    )

    def __post_init__(self) -> None:
        """Refuse a curve without points."""
        if not self.per_class:
            raise ValueError("at least one number in per_class")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRange:
    """Values that a key may take in the search: a range of numbers or a list of choices."""

    low: float | None = described("Smallest number.", default=None)
    high: float | None = described("Largest number.", default=None)
    log: bool = described("Draw on a logarithmic scale.", default=False)
    integer: bool = described("Whole numbers only.", default=False)
    choices: tuple[str | float | bool, ...] = described("Or any one of these.", default=(), max_length=100)

    def __post_init__(self) -> None:
        """Refuse what is neither a range nor a choice."""
        is_range = self.low is not None and self.high is not None and self.low < self.high
        if is_range == bool(self.choices) or (self.log and (self.low or 0) <= 0):
            raise ValueError("low < high (above 0 with log), or choices")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecipe:
    """Search for better hyper-parameters before the final training, judged on the profile part.

    Each trial is a training without pre-training, in floating point; the recipe's own values are the first one.
    """

    trials: int = described("Trainings to try.", default=20, ge=2, le=10000)
    epochs: int | None = described("Epochs of each trial; training.epochs when left out.", default=None, ge=1, le=10000)
    space: dict[str, SearchRange] = described(
        "Dotted keys of the sections network, training and augment, such as training.learning_rate.", max_length=32
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRecipe:
    """Small random changes of a share of the training examples.

    ``spread`` shakes the simulated camera (images), ``audio`` the sound, ``rows`` the sensor.
    """

    share: float = described("Share of the examples of a batch that are changed.", default=0.5, ge=0, le=1)
    spread: Corruption = described("Standard deviation of each parameter about neutral.", default_factory=Corruption)
    flip: bool = described("Images: mirror a half of them left to right.", default=False)
    crop: int = described("Images: shift by up to so many pixels with padding, as for CIFAR.", default=0, ge=0, le=256)
    time_shift: float = described(
        "Audio and windows: shift by up to this share of the length.", default=0.0, ge=0, le=0.5
    )
    gain_db: float = described("Audio: standard deviation of the level.", default=0.0, ge=0, le=60)
    noise: float = described(
        "Audio and rows: noise, as a share of the example's own deviation.", default=0.0, ge=0, le=4
    )
    spec_mask: float = described(
        "Audio: hide stretches of up to this share of time and of frequency.", default=0.0, ge=0, le=0.5
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainRecipe:
    """How a request for a better model is answered."""

    epochs: int = described("Epochs over the mixed data; small data sets are enlarged.", default=24, ge=1, le=10000)
    learning_rate: float = described("At the start.", default=0.003, ge=1e-7, le=1)
    clean_share: float = described("Share of the original data as they are.", default=0.4, ge=0.05, le=0.95)
    search: int = described("Camera settings tried for each device, about; 0 for none.", default=400, ge=0, le=100000)
