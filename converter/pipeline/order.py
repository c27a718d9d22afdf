"""What a build is told besides the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converter.recipe import Recipe
from converter.request import Retraining
from edge_models.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuildOrder:
    """What to build.

    Attributes:
        recipe: The recipe with all overrides.
        output: Directory of the bundle.
        retraining: What devices saw and delivered; None for a first training.
        unlabelled: Frames without labels (n, ...) that devices delivered, to pre-train on; None for none.
        is_blind: Train with the effort of a retraining, but without what devices saw and delivered.
        parent: The bundle that this one replaces.
        answers: Requests that it answers.
        initial: Keras model to start from; None for random weights.
        kept_model: Where to keep the Keras model; None to drop it.
        allowed: Gates that may be missed.
        created: RFC 3339 time of the build.
        notes: What the report says besides.
    """

    recipe: Recipe
    output: Path
    retraining: Retraining | None = None
    unlabelled: NDArray[Any] | None = None
    is_blind: bool = False
    parent: Bundle | None = None
    answers: tuple[str, ...] = ()
    initial: Path | None = None
    kept_model: Path | None = None
    allowed: tuple[str, ...] = ()
    created: str
    notes: tuple[str, ...] = ()

    @property
    def is_again(self) -> bool:
        """Whether this is a retraining, with or without knowing what the devices saw."""
        return self.is_blind or self.retraining is not None
