"""What a rollout needs of the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge_models.channel import Channel
from edge_models.manifest import BundleId, Manifest


class PublishedBundle(Protocol):
    """A bundle that the registry has published."""

    @property
    def serial(self) -> int:
        """Its serial."""


class Channels(Protocol):
    """The signed channels; ``deploy.registry.Registry`` is one."""

    def find(self, prefix: str) -> PublishedBundle:
        """The published bundle with this id."""

    def manifest(self, bundle: BundleId) -> Manifest:
        """The manifest of a published bundle."""

    def channel(self, model: str, name: str) -> Channel | None:
        """A channel's present document."""

    def change_channel(self, model: str, name: str, change: Callable[[Channel | None], Channel]) -> Channel:
        """Replace a channel's document with nobody else in between."""
