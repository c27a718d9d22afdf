"""What the retraining worker needs of the outside: the converter and the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.rollout.ports import PublishedBundle
from edge_models.channel import Channel
from edge_models.manifest import BundleId, Manifest

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """One run of ``driftline-convert build``.

    Attributes:
        recipe: Recipe to start from.
        output: Directory for the bundle.
        parent: The bundle that it replaces; holds the profile that the evidence refers to.
        evidence: What the devices saw (E.json); None to train without knowing it.
        samples: Labelled samples to learn from (S.npz); None for none.
        unlabelled: Frames that nobody has labelled (U.npz); None for none. The converter uses them if its recipe
            pre-trains.
        answers: Requests that the bundle answers.
        serial: The bundle's serial.
        version: The bundle's version for people.
        init: Keras model to start from; None to train from the beginning.
        keep_model: Where to keep the new Keras model; None to drop it.
        is_blind: Train with the same effort and without what the devices saw, for comparison.
    """

    recipe: str
    output: Path
    parent: Path
    evidence: Path | None
    samples: Path | None
    answers: tuple[str, ...]
    serial: int
    version: str
    init: Path | None
    keep_model: Path | None
    is_blind: bool = False
    unlabelled: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What ``driftline-convert evaluate`` found.

    Attributes:
        n: Number of inputs.
        accuracies: Accuracy of each artifact by name.
    """

    n: int
    accuracies: Mapping[str, float]


class Converter(Protocol):
    """The converter; ``deploy.retrain.converter_process.ConverterProcess`` is one."""

    def build(self, order: BuildOrder, on_step: OnStep) -> None:
        """Train and convert; the bundle is in ``order.output`` afterwards."""

    def evaluate(self, bundle: Path, data: Path) -> Evaluation:
        """Run all artifacts of a bundle over labelled data."""


class Bundles(Protocol):
    """Published bundles; ``deploy.registry.Registry`` is one."""

    def publish(self, bundle_directory: Path) -> BundleId:
        """Check, copy and sign a bundle."""

    def next_serial(self, model: str) -> int:
        """The serial that the next bundle of ``model`` needs at least."""

    def bundle_dir(self, bundle: BundleId) -> Path:
        """A published bundle as a directory."""

    def manifest(self, bundle: BundleId) -> Manifest:
        """The manifest of a published bundle."""

    def find(self, prefix: str) -> PublishedBundle:
        """The published bundle with this id."""

    def channel(self, model: str, name: str) -> Channel | None:
        """A channel's present document."""
