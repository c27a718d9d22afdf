"""What the state directory says at a start: which model runs, and where its update goes on.

The decision is ``agent.core.recovery``'s; this reads what it needs, stores a pointer that had to be mended, and
installs the first bundle on a device that has none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from agent.config import AgentConfig
from agent.core.crash_loop import with_start
from agent.core.records import ActiveRecord
from agent.core.recovery import Recovery, recover
from agent.errors import StorageError
from agent.first_bundle import check_first_bundle
from agent.inventory import pinned
from agent.state_dir import StateDir
from edge_models.bundle import open_manifest
from edge_models.engines.registry import choose_artifact, device_files
from edge_models.errors import BundleError, EngineError
from edge_models.manifest import BundleId, short

log = logging.getLogger(__name__)


BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # proc_sys_kernel(5): made anew at each boot


def kernel_boot(path: Path = BOOT_ID) -> str | None:
    """Which boot of the kernel this is; None where the kernel does not tell."""
    try:
        return path.read_text(encoding="ascii").strip()[:64] or None
    except (OSError, ValueError):
        return None


def recovered(
    config: AgentConfig, state_dir: StateDir, runtimes: Mapping[str, str], *, kernel: str | None = None
) -> Recovery:
    """Decide what runs; ``bundle:`` of agent.yaml counts only where no bundle is on disk.

    Args:
        config: Of the agent.
        state_dir: Records and bundles.
        runtimes: What runs here, with versions.
        kernel: Which boot of the kernel this is.

    Raises:
        ConfigError: The first bundle cannot be used.
        StorageError: The state directory cannot be used.
    """
    pointer, present = state_dir.read_active(), state_dir.present(config.model)
    is_of_use = pointer is not None and pointer.bundle in present
    whole = () if is_of_use else tuple(_pointers(config, state_dir, runtimes, present))
    recovery = recover(state_dir.read_update(), pointer, present, whole=whole, kernel=kernel)
    for note in recovery.notes:
        log.warning("recovered note=%s", note)
    if recovery.active != pointer:
        try:
            state_dir.write_active(recovery.active)
        except StorageError as exc:  # the next start will find the same
            log.warning("recovery not stored reason=%s", exc)
    if recovery.active is not None or config.bundle is None:
        return recovery
    return _with_first(recovery, config, state_dir, runtimes, kernel)


def _with_first(
    recovery: Recovery, config: AgentConfig, state_dir: StateDir, runtimes: Mapping[str, str], kernel: str | None
) -> Recovery:
    first = check_first_bundle(config, Path(config.bundle or ""), runtimes)
    bundle, artifact = first.bundle, first.artifact
    state_dir.install(bundle, artifact, runtimes)
    active = ActiveRecord(
        bundle=bundle.id, artifact=artifact, version=bundle.manifest.version, serial=bundle.manifest.serial
    )
    state_dir.write_active(active)
    log.info("first bundle installed bundle=%s artifact=%s", short(bundle.id), artifact)
    return replace(recovery, active=active, record=with_start(recovery.record, active.bundle, kernel))


def _pointers(
    config: AgentConfig, state_dir: StateDir, runtimes: Mapping[str, str], present: Iterable[str]
) -> Iterable[ActiveRecord]:
    """A pointer to each bundle that can run here with the files that are there."""
    for name in sorted(present):
        directory = state_dir.bundle_dir(name)
        try:
            manifest = open_manifest(directory).manifest
            artifact = choose_artifact(manifest, pinned(runtimes), config.artifact)
        except (BundleError, EngineError) as exc:
            log.warning("bundle of no use bundle=%s reason=%s", name[:12], exc)
            continue
        if all((directory / file).is_file() for file in device_files(manifest, artifact, pinned(runtimes))):
            yield ActiveRecord(
                bundle=BundleId(name), artifact=artifact, version=manifest.version, serial=manifest.serial
            )
