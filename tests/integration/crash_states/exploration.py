"""Looks at every crash state of a recorded run: is there one model that runs, and does the update end?"""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.blob_store import BLOBS_DIR, names_in
from agent.core.records import ACTIVE_FILE, BUNDLES_DIR, MAX_RECORD_BYTES, ActiveRecord
from agent.core.update_table import State
from agent.errors import AgentError
from agent.state_dir import StateDir
from agent.storage import Storage
from edge_models.engines.registry import device_files
from edge_models.fields import decode_json
from edge_models.manifest import MANIFEST_NAME, BundleId, FileEntry
from tests.integration.crash_states.disk import (
    Care,
    Disk,
    Happened,
    Named,
    Promised,
    Synced,
    Tree,
    Wrote,
    digest,
    write,
)
from tests.integration.crash_states.recorder import STATE
from tests.integration.crash_states.scenarios import Run
from tests.unit.agent.pi import ARTIFACT, RUNTIMES, Pi, StuckError


class BrokenError(Exception):
    """A crash state from which the device does not recover as it should."""


@dataclass(slots=True)
class Exploration:
    """What was found.

    Attributes:
        scratch: Where trees are made.
        care: As of ``Disk``.
        points: Moments at which the power was cut.
        states: Trees that such a cut may leave, over all moments.
        distinct: Those that differ.
    """

    scratch: Path
    care: Care = "quick"
    points: int = 0
    states: int = 0
    distinct: int = 0
    _sent: dict[bytes, int] = field(default_factory=dict)

    def explore(self, run: Run, *, without: str | None = None, care: Care | None = None) -> None:
        """Cut the power everywhere.

        Args:
            run: What happened.
            without: A site whose syncs are left out.
            care: Instead of the exploration's.

        Raises:
            BrokenError: The first state that does not recover.
        """
        disk = Disk(care=care or self.care)
        begin = run.begin
        if without is not None:  # up to there nothing is different
            begin = next(index for index, event in enumerate(run.happened) if index >= begin and _is(event, without))
        for index, event in enumerate(run.happened):
            if index >= begin and _is(event, without):
                continue
            disk.happen(event)
            if index >= begin and isinstance(event, (Named, Wrote, Promised)):
                self.points += 1
                for tree in disk.crashes():
                    self._look(tree, disk, run)

    def _look(self, tree: Tree, disk: Disk, run: Run) -> None:
        self.states += 1
        for path, content in disk.promises.items():
            if tree.get(path) != content:
                raise BrokenError(f"{path}: {tree.get(path)!r}, promised was {content!r}")
        _look_at_pinned(tree, disk.promises.get(f"{STATE}/{ACTIVE_FILE}"), run)
        key = digest(tree)
        if key not in self._sent:
            self.distinct += 1
            self._sent[key] = self._recover(tree, run)
        allowed = sum(_allowed(tree, entry, disk.kept.get(entry.sha256, 0), run) for entry in _files(run))
        if run.is_counted and self._sent[key] > allowed:
            raise BrokenError(f"{self._sent[key]} bytes came, {allowed} had to: {' '.join(sorted(tree))}")

    def _recover(self, tree: Tree, run: Run) -> int:
        root = self.scratch / "crashed"
        shutil.rmtree(root, ignore_errors=True)
        write(tree, root)
        run.shop.transport.sent_bytes = 0
        try:
            _finish(root / STATE, run)
        except (AgentError, StuckError, AssertionError) as exc:
            where = traceback.extract_tb(exc.__traceback__)[-1].line
            raise BrokenError(f"{exc!r} at {where} with {' '.join(sorted(tree))}") from exc
        return run.shop.transport.sent_bytes


def _is(event: Happened, site: str | None) -> bool:
    return isinstance(event, Synced) and event.site == site


def _look_at_pinned(tree: Tree, pointer: bytes | None, run: Run) -> None:
    """From when active.json is written, the bundle that it names and the last good one are there."""
    if pointer is None:
        return
    active = decode_json(ActiveRecord, pointer, max_bytes=MAX_RECORD_BYTES)
    pinned = [active.bundle] if run.is_harmed or active.previous is None else [active.bundle, active.previous.bundle]
    for identity in pinned:
        bundle = run.shop.bundle(identity)
        for name in (MANIFEST_NAME, *device_files(bundle.manifest, ARTIFACT, RUNTIMES)):
            path = f"{BUNDLES_DIR}/{identity}/{name}"
            if tree.get(f"{STATE}/{path}") != run.shop.content(bundle, name):
                raise BrokenError(f"{path} is lost or torn, and active.json rests on it")


def _finish(state: Path, run: Run) -> None:
    """Start on what is there, and go on to the end."""
    store = StateDir(Storage(state))
    for bundle in store.present("digits"):
        assert run.is_harmed or run.shop.is_whole(store.bundle_dir(bundle)), f"half of {bundle[:8]} looks whole"
    pi = Pi(Storage(state), run.shop)
    if not run.is_harmed:
        assert pi.active is None or run.shop.is_whole(pi.state_dir.bundle_dir(pi.active))
    pi.run(run.wanted)
    active = pi.state_dir.read_active()
    has_failed = pi.machine.record.is_bad(run.wanted.id, 7)  # it died, or was interrupted too often
    assert active is not None, "no model"
    assert not active.provisional
    assert run.shop.is_whole(pi.state_dir.bundle_dir(active.bundle))
    assert active.bundle not in run.shop.bad
    assert active.bundle == run.wanted.id or has_failed, f"{pi.machine.state} with {active.bundle[:8]}"
    assert pi.machine.state is not State.FAILED or has_failed, "it gave up on something that passes"
    if active.previous is not None:
        assert run.shop.is_whole(pi.state_dir.bundle_dir(active.previous.bundle))
    pinned = {active.bundle} | ({active.previous.bundle} if active.previous else set())
    if pi.machine.state is State.FAILED:  # what is here already need not come again
        pinned |= {run.wanted.id} & pi.state_dir.present()
    assert set(names_in(state / BUNDLES_DIR)) == pinned
    assert set(names_in(state / BLOBS_DIR)) <= set(_blobs(run, pinned))


def _blobs(run: Run, bundles: Iterable[BundleId]) -> Iterator[str]:
    for identity in bundles:
        yield from (entry.sha256 for entry in run.shop.bundle(identity).manifest.files.values())


def _files(run: Run) -> list[FileEntry]:
    """What a download from nothing brings."""
    manifest = run.wanted.manifest
    return [manifest.files[name] for name in device_files(manifest, ARTIFACT, RUNTIMES)]


def _allowed(tree: Tree, entry: FileEntry, kept: int, run: Run) -> int:
    """How many bytes of a file may have to come again.

    A file system that gives zeros for what was written costs the file once more: only the digest at its end tells.
    """
    part = tree.get(f"{STATE}/blobs/{entry.sha256}.part") or b""
    name = next(name for name, other in run.wanted.manifest.files.items() if other == entry)
    return entry.size - kept if run.wanted.read(name).startswith(part) else 2 * entry.size
