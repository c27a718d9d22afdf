"""Pieces that the tests of the core share: bundles by letter, records, configurations, moments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from agent import ipc
from agent.config import AgentConfig, ProvisionalConfig, SamplesConfig, ShadowConfig, UpdateConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import ActiveRecord, Now, Target
from edge_models.channel import Channel
from edge_models.manifest import BundleId
from edge_models.wire.update import ModelVersion

A = TypeVar("A")
START_S = 1000.0
UTC_S = 1_795_336_200.0
SETTINGS = UpdateConfig(
    url="http://registry",
    root="root.json",
    poll_s=300,
    shadow=ShadowConfig(frames=100, deadline_s=60, min_agreement=0.7),
    provisional=ProvisionalConfig(frames=50, deadline_s=120),
)
CONFIG = AgentConfig(
    id="pi-1", model="digits", state_dir="/state", update=SETTINGS, samples=SamplesConfig(enabled=True)
)


def bundle(letter: str) -> BundleId:
    """An id that reads well in a failure: bundle("a") is aaaa..."""
    return BundleId(letter * 64)


def running(
    letter: str = "a", *, serial: int = 1, previous: str | None = None, provisional: bool = False
) -> ActiveRecord:
    """active.json of a device that runs this bundle."""
    back = None if previous is None else ModelVersion(bundle=bundle(previous), artifact="tflite-int8", serial=1)
    return ActiveRecord(
        bundle=bundle(letter), artifact="tflite-int8", version=f"v-{letter}", serial=serial, previous=back,
        provisional=provisional,
    )  # fmt: skip


def target(
    letter: str = "b", *, serial: int = 2, rev: int = 7, answers: str | None = None, rollout: str | None = None
) -> Target:
    """A chosen bundle."""
    return Target(bundle=bundle(letter), serial=serial, rev=rev, answers=answers, rollout=rollout)


def channel(
    *letters: str, rev: int = 7, chosen: str | None = None, base: str | None = None, percent: int = 100
) -> Channel:
    """A channel that lists these bundles with serials 1, 2, ...; the last one is chosen unless said otherwise."""
    listed = {bundle(letter): serial for serial, letter in enumerate(letters, 1)}
    return Channel(
        model="digits", channel="stable", rev=rev, bundle=bundle(chosen or letters[-1]),
        base=None if base is None else bundle(base), percent=percent, listed=listed,
    )  # fmt: skip


def compared(*, n: int, agree: int, nan: int = 0) -> ev.CandidateCompared:
    """What a candidate tells beside the active model; nothing but its answers is known."""
    return ev.CandidateCompared(verdict=ipc.ShadowVerdict(n=n, agree=agree, nan=nan, p95_us=0.0))


def moment(after_s: float = 0.0, *, utc: bool = True) -> Now:
    """So long after the start."""
    return Now(monotonic_s=START_S + after_s, utc_s=UTC_S + after_s if utc else None)


def only(kind: type[A], actions: Iterable[object]) -> list[A]:
    """The commands of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def published(kind: str, actions: Iterable[object]) -> list[object]:
    """The messages of one topic."""
    return [action.message for action in only(do.Publish, actions) if action.kind == kind]
