"""Updates whose every crash state is looked at, from a card with nothing on it to the update's end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.core import events as ev
from agent.storage import Storage
from edge_models.bundle import Bundle
from tests.integration.crash_states.disk import Happened, Synced
from tests.integration.crash_states.recorder import HARM, STATE, TIME, Recorder
from tests.unit.agent.pi import Pi, Shop
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A recorded run.

    Attributes:
        shop: As it is afterwards.
        wanted: What the channel names afterwards, too.
        happened: All of it, in order.
        is_harmed: Whether the card lost something.
        is_counted: Whether nothing but the wanted bundle is downloaded, so that bytes that come again can be counted.
        begin: How much of it another run has shown already.
    """

    shop: Shop
    wanted: Bundle
    happened: tuple[Happened, ...]
    is_harmed: bool = False
    is_counted: bool = True
    begin: int = 0

    def sites(self) -> frozenset[str]:
        """Who asked for a sync in what this run shows."""
        syncs = (event.site for event in self.happened[self.begin :] if isinstance(event, Synced))
        return frozenset(syncs) - {HARM, TIME}


class Story:
    """A device whose disk is recorded."""

    def __init__(self, directory: Path, bundles: tuple[Bundle, ...], *, bad: tuple[Bundle, ...] = ()) -> None:
        self.shop = Shop(bundles, first=bundles[0], bad=frozenset(bundle.id for bundle in bad))
        self.root = directory
        self.root.mkdir()
        self.recorder = Recorder(self.root)
        self._begin = 0

    def installed(self) -> Pi:
        """The agent starts on a card that has the first bundle; what it wrote has long reached the disk."""
        pi = self.start()
        pi.run()
        self.skip()
        return pi

    def skip(self) -> None:
        """Another run shows what a power cut leaves of all this; time goes by."""
        self.recorder.write_back()
        self._begin = len(self.recorder.happened)

    def start(self) -> Pi:
        """The agent starts, for the first time or again."""
        return Pi(Storage(self.root / STATE, observer=self.recorder), self.shop)

    def blob(self, bundle: Bundle, name: str) -> str:
        """Where the registry has a file of a bundle."""
        return f"/targets/blobs/{bundle.manifest.files[name].sha256}"

    def harm(self, bundle: Bundle, *names: str) -> None:
        """The card gives back something else for files of a bundle: the model and the manifest, or those named."""
        for name in names or ("model.tflite", "manifest.json"):
            self.recorder.harm(f"{STATE}/bundles/{bundle.id}/{name}", b"rot")

    def done(self, wanted: Bundle, *, is_harmed: bool = False, is_counted: bool = True) -> Run:
        """What was recorded."""
        self.recorder.settle()
        self.shop.transport.faults.clear()
        return Run(
            shop=self.shop,
            wanted=wanted,
            happened=tuple(self.recorder.happened),
            is_harmed=is_harmed,
            is_counted=is_counted,
            begin=self._begin,
        )


def first_install(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The bundle in agent.yaml on an empty card."""
    story = Story(directory, bundles)
    story.start().run()
    return story.done(bundles[0])


def success(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """A good update."""
    story = Story(directory, bundles)
    story.installed().run(bundles[1])
    return story.done(bundles[1])


def rollback(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The new model dies on trial."""
    story = Story(directory, bundles, bad=(bundles[1],))
    pi = story.installed()
    pi.wish(bundles[1])
    for _ in range(3):  # to the end of SHADOW
        pi.tell(pi.events.pop(0))
    story.skip()
    pi.run(bundles[1])
    return story.done(bundles[1])


def operator_rollback(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """A committed model is left by command."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.run(bundles[1])
    story.skip()
    pi.tell(ev.RollbackAsked(rev=7))
    pi.run()
    return story.done(bundles[1])


def first_model_dies(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """An operator leaves the only model there is: the pointer goes, and the next start takes it from agent.yaml."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.tell(ev.RollbackAsked(rev=3))
    pi.run()
    story.start().run()
    return story.done(bundles[0])


def resume(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The agent is started again in the middle of a download, twice."""
    story = Story(directory, bundles)
    pi = story.installed()
    for name in ("model.tflite", "profile.npz"):
        story.shop.transport.faults = {story.blob(bundles[1], name): [Fault(break_after=1200), Fault(status=404)]}
        if name == "model.tflite":
            pi.wish(bundles[1])
            story.skip()
        else:
            story.start()
    story.shop.transport.faults.clear()
    story.start().run(bundles[1])
    return story.done(bundles[1])


def supersede(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """A newer target comes while the older one is half here, and again while that one is on trial."""
    story = Story(directory, bundles)
    pi = story.installed()
    story.shop.transport.fail(story.blob(bundles[1], "profile.npz"), Fault(status=404))
    pi.wish(bundles[1])
    story.skip()
    pi.wish(bundles[2])
    for _ in range(5):  # to PROVISIONAL
        pi.tell(pi.events.pop(0))
    pi.wish(bundles[3])
    pi.run(bundles[3])
    return story.done(bundles[3], is_counted=False)


def collect(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """One update after the other, so that old bundles have to go."""
    story = Story(directory, bundles)
    pi = story.installed()
    for bundle in bundles[1:3]:
        pi.run(bundle)
        story.skip()
    pi.wish(bundles[3])
    for _ in range(3):  # to the end of SHADOW
        pi.tell(pi.events.pop(0))
    story.skip()
    pi.run(bundles[3])
    return story.done(bundles[-1])


def damaged(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The card loses a file of the running bundle and its manifest; it comes again."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.run(bundles[1])
    story.skip()
    story.harm(bundles[1])
    pi.tell(ev.WorkerDied(bundle=bundles[1].id, reason="damaged", is_damaged=True))
    pi.run()
    story.skip()
    pi.run(bundles[1])
    return story.done(bundles[1], is_harmed=True)


def mend(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The card loses files of the last good bundle, and the channel goes back to it."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.run(bundles[1])
    pi.run(bundles[2])
    story.harm(bundles[1])
    story.skip()
    pi.run(bundles[1])
    return story.done(bundles[1], is_harmed=True)


def mend_file(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """The same with one file, and the manifest is there."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.run(bundles[1])
    pi.run(bundles[2])
    story.harm(bundles[1], "profile.npz")
    story.skip()
    pi.run(bundles[1])
    return story.done(bundles[1], is_harmed=True)


def older_layout(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """A state directory from before there were blobs."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.state_dir.storage.remove("blobs", durable=False)
    story.skip()
    pi.run(bundles[1])
    return story.done(bundles[1])


def learnt(directory: Path, bundles: tuple[Bundle, ...]) -> Run:
    """What the worker learnt is stored, and what the clock was sure of."""
    story = Story(directory, bundles)
    pi = story.installed()
    pi.state_dir.write_drift(bundles[0].id, "trigger", b"drift")
    pi.state_dir.write_adapted(bundles[0].id, "tflite-int8", b"weights")
    pi.state_dir.write_time_floor_s(1.8e9)
    return story.done(bundles[0])


Scenario = Callable[[Path, tuple[Bundle, ...]], Run]
SCENARIOS: tuple[Scenario, ...] = (
    first_install, success, rollback, operator_rollback, first_model_dies, resume, supersede, collect,
    damaged, mend, mend_file, older_layout, learnt,
)  # fmt: skip


def bundles_of(directory: Path) -> tuple[Bundle, ...]:
    """Four bundles that share a file."""
    return tuple(make_bundle(directory / f"bundle-{serial}", serial=serial) for serial in (1, 2, 3, 4))
