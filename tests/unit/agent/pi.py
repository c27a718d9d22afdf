"""A device that carries out what the update machine says on a real disk, with a registry in memory.

Downloads go through the real fetcher and store, verification through the real check of files; what a model does when
it runs is said by the test. Frames always come, and time passes only when nothing else happens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import ActiveRecord, Target
from agent.core.recovery import recover
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import RESTING, State
from agent.errors import StorageError
from agent.state_dir import StateDir
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import ClientError
from agent.update_client.fetch import BundleFetcher
from agent.update_client.pacing import Deadline, Retries
from agent.verify import verified
from edge_models.bundle import Bundle
from edge_models.engines.registry import device_files
from edge_models.manifest import MANIFEST_NAME
from tests.unit.agent.world import SETTINGS, START_S, compared
from tests.unit.update_client.fakes import BASE, Events, FakeTime, MemoryTransport

ARTIFACT = "tflite-int8"
RUNTIMES = ["ai-edge-litert"]
SYNC_BYTES = 1000  # a download of 2000 bytes is synced in between
MAX_TURNS = 200


class StuckError(Exception):
    """The update came to no end."""


@dataclass
class Shop:
    """What can be had, and how good it is.

    Attributes:
        bundles: All that the registry has, the oldest first.
        bad: Ids of bundles whose model dies as soon as it is active.
        first: The bundle in agent.yaml.
    """

    bundles: tuple[Bundle, ...]
    bad: frozenset[str] = frozenset()
    first: Bundle | None = None
    transport: MemoryTransport = field(init=False)
    _contents: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blobs = {
            f"/targets/blobs/{entry.sha256}": bundle.path(name).read_bytes()
            for bundle in self.bundles
            for name, entry in bundle.manifest.files.items()
        }
        self.transport = MemoryTransport(blobs.get, chunk_bytes=1000)

    def bundle(self, identity: str) -> Bundle:
        return next(bundle for bundle in self.bundles if bundle.id == identity)

    def content(self, bundle: Bundle, name: str) -> bytes:
        """What a file of a bundle holds."""
        key = (bundle.id, name)
        if key not in self._contents:
            self._contents[key] = (bundle.directory / name).read_bytes()
        return self._contents[key]

    def is_whole(self, directory: Path) -> bool:
        """Whether the directory is the bundle of its name, with all that its artifact needs."""
        bundle = self.bundle(directory.name)
        names = (MANIFEST_NAME, *device_files(bundle.manifest, ARTIFACT, RUNTIMES))
        try:
            return all((directory / name).read_bytes() == self.content(bundle, name) for name in names)
        except OSError:
            return False

    def target(self, bundle: Bundle) -> Target:
        return Target(bundle=bundle.id, serial=bundle.manifest.serial, rev=7)


class Pi:
    """One start of the agent.

    Args:
        storage: On its state directory.
        shop: Where bundles come from.
    """

    def __init__(self, storage: Storage, shop: Shop) -> None:
        self.state_dir, self.shop = StateDir(storage), shop
        self.storage_failures = 0
        self.time = FakeTime()
        self.now_s = START_S
        self.boot = self.state_dir.next_boot(None)
        pointer = self.state_dir.read_active()
        found = recover(self.state_dir.read_update(), pointer, self.state_dir.present("digits"))
        active = found.active
        if active != pointer:
            self.state_dir.write_active(active)
        if active is None and shop.first is not None:
            active = self._install(shop.first)
        self.machine = UpdateMachine(settings=SETTINGS, record=found.record, active=active)
        self.events: list[ev.UpdateEvent] = []
        self.carry_out(self.machine.resume(found.move, START_S))
        if self.machine.state in RESTING:
            self.events += self._worker()

    @property
    def active(self) -> str | None:
        """The bundle that runs."""
        return None if self.machine.active is None else self.machine.active.bundle

    def wish(self, bundle: Bundle) -> None:
        """The channel names this bundle."""
        self.tell(ev.TargetChosen(target=self.shop.target(bundle)))

    def tell(self, event: ev.UpdateEvent) -> None:
        """Let the machine know, and do what it says."""
        self.carry_out(self.machine.handle(event, self.now_s))

    def run(self, wanted: Bundle | None = None) -> None:
        """Go on until nothing is under way and, if it can be, the wanted bundle is the one that runs."""
        for _ in range(MAX_TURNS):
            if self.events:
                self.tell(self.events.pop(0))
            elif self.machine.state not in RESTING:
                self.now_s = self.machine.next_deadline_s or self.now_s
                self.tell(ev.Tick())
            elif wanted is None or self.active == wanted.id or self.machine.record.is_bad(wanted.id, 7):
                return
            else:
                self.wish(wanted)
        raise StuckError(f"{self.machine.state} after {MAX_TURNS} turns")

    def carry_out(self, actions: list[do.Action]) -> None:
        """As Hands do."""
        for action in actions:
            try:
                self._do(action)
            except StorageError as exc:
                self.storage_failures += 1
                durable = isinstance(action, (do.StoreUpdate, do.PointTo))
                if durable and self.machine.state not in RESTING | {State.ROLLING_BACK}:
                    self.events.append(ev.StorageFailed(message=str(exc)))
                    return

    def _do(self, action: do.Action) -> None:
        match action:
            case do.StoreUpdate(record=record):
                self.state_dir.write_update(record)
            case do.PointTo(active=active):
                self.state_dir.write_active(active)
            case do.KeepBundles(keep=keep):
                self.state_dir.keep_bundles(keep)
            case do.StartFetch(target=target):
                self.events.append(self._fetch(target))
            case do.StartVerify(target=target):
                self.events.append(self._verify(target))
            case do.StartCandidate():
                self.events.append(ev.CandidateTested(ok=True))
            case do.StartShadow():
                self.events.append(compared(n=100, agree=95, nan=0))
            case do.RunActive():
                self.events += self._worker()
            case _:
                pass

    def _install(self, bundle: Bundle) -> ActiveRecord:
        self.state_dir.install(bundle, ARTIFACT, RUNTIMES)
        active = ActiveRecord(bundle=bundle.id, artifact=ARTIFACT, version="", serial=bundle.manifest.serial)
        self.state_dir.write_active(active)
        return active

    def _fetch(self, target: Target) -> ev.UpdateEvent:
        bundle = self.shop.bundle(target.bundle)
        deadline = Deadline(self.time, 1000.0)
        downloader = partial(
            BlobDownloader, self.state_dir.storage, self.shop.transport, deadline=deadline,
            retries=Retries(deadline, self.time, random.Random(1)), sync_bytes=SYNC_BYTES,
        )  # fmt: skip
        fetcher = BundleFetcher(
            self.state_dir.storage,
            lambda grown: downloader(grown=grown),
            targets_url=f"{BASE}/targets",
            report=Events(self.time).report,
            free_bytes=lambda: 1 << 30,
            runtimes=RUNTIMES,
        )
        try:
            fetcher.fetch((bundle.directory / MANIFEST_NAME).read_bytes(), bundle.manifest, ARTIFACT)
        except ClientError as exc:
            return ev.FetchFailed(bundle=bundle.id, code=exc.code, message=str(exc), transient=exc.IS_TRANSIENT)
        except StorageError as exc:
            return ev.FetchFailed(bundle=bundle.id, code="storage", message=str(exc))
        return ev.FetchDone(bundle=bundle.id)

    def _verify(self, target: Target) -> ev.UpdateEvent:
        found = verified(self.state_dir.bundle_dir(target.bundle), target.bundle, "digits", None, RUNTIMES)
        assert isinstance(found, dict)
        if found["event"] != "verified":
            return ev.TargetBad(code=str(found["code"]), message=str(found["message"]))
        bundle = self.shop.bundle(target.bundle)
        return ev.TargetVerified(model="digits", version="", serial=bundle.manifest.serial, artifact=ARTIFACT)

    def _worker(self) -> Iterator[ev.UpdateEvent]:
        active = self.active
        if active is None:
            return
        if not self.shop.is_whole(self.state_dir.bundle_dir(active)):
            yield ev.WorkerDied(bundle=active, reason="damaged", is_damaged=True)
        elif active in self.shop.bad:
            yield ev.WorkerDied(bundle=active, reason="signal 11")
        else:
            yield ev.WorkerReady(bundle=active)
            yield ev.WorkerRan(bundle=active, frames=50)
