"""``driftline-agent check``: everything that would go wrong at start or soon after, found before it does.

Slower than the start itself on purpose: it loads River to look at the detectors, which the supervisor never does.
"""

from __future__ import annotations

import grp
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from agent.config import AgentConfig
from agent.credentials import password, tls_context
from agent.errors import AgentError, ConfigError
from agent.first_bundle import check_first_bundle
from agent.inventory import take_inventory
from agent.local.address import socket_path
from agent.source_checks import sink_problems, source_problems
from edge_models.engines.registry import TFLITE_RUNTIMES

MAX_ROOT_BYTES = 512 * 1024


def preflight(config: AgentConfig) -> list[str]:
    """What is wrong beyond the form of the configuration, one sentence each; empty when nothing is."""
    return list(_problems(config))


def missing_runtime(config: AgentConfig, runtimes: Collection[str]) -> str | None:
    """Why no artifact that this device may be sent would run on it; a bundle that is named judges for itself."""
    if not runtimes:
        return "no runtime is installed, expected ai-edge-litert or tflite-runtime; install one of them"
    if config.bundle is None and config.artifact is None and not set(runtimes) & set(TFLITE_RUNTIMES):
        return (
            "only spiking artifacts run here: no TFLite runtime is installed; install ai-edge-litert or "
            "tflite-runtime, or write artifact: spiking"
        )
    return None


def _problems(config: AgentConfig) -> Iterator[str]:
    runtimes = take_inventory().runtimes
    missing = missing_runtime(config, runtimes)
    if missing is not None:
        yield missing
    elif config.bundle is not None:
        try:
            check_first_bundle(config, Path(config.bundle), runtimes)
        except ConfigError as exc:
            yield str(exc)
    try:
        tls_context(config.mqtt, config.id)
        password(config.mqtt.password_file)
    except AgentError as exc:
        yield str(exc)
    if config.update is not None:
        yield from _root_problems(Path(config.update.root))
    yield from source_problems(config.source)
    yield from sink_problems(config.sink)
    yield from local_problems(config)
    yield from _state_dir_problems(Path(config.state_dir))
    yield from _detector_problems(config)
    yield from _learner_problems(config)


def _state_dir_problems(path: Path) -> Iterator[str]:
    """What is there already has to be a directory that takes files; what is not, has to be one that can be made."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir():
        yield f"state_dir: {existing} is no directory, expected one that the agent may write to"
    elif not os.access(existing, os.W_OK | os.X_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        yield f"state_dir: {path} cannot be written to, expected a directory that takes the agent's files"


def local_problems(config: AgentConfig) -> Iterator[str]:
    """The directory of the socket has to be there, unless it is the state directory, which the agent makes."""
    local = config.local
    if not local.enabled:
        return
    folder = socket_path(config).parent
    if local.path is not None and folder != Path(config.state_dir) and not folder.is_dir():
        yield f"local.path: {folder} is no directory, expected one for the socket (RuntimeDirectory= of a systemd unit)"
    if socket_path(config).exists() and not socket_path(config).is_socket():
        yield f"local.path: {socket_path(config)} is no socket, expected a free name"
    if local.group is not None:
        try:
            grp.getgrnam(local.group)
        except KeyError:
            yield f"local.group: there is no group {local.group}, expected one of this device"


def _root_problems(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(MAX_ROOT_BYTES))
    except (OSError, ValueError) as exc:
        yield f"update.root: {path}: {exc}; expected the registry's root.json"
        return
    signed = document.get("signed") if isinstance(document, dict) else None
    if not isinstance(signed, dict) or signed.get("_type") != "root":
        yield f"update.root: {path} is no root metadata; expected the registry's root.json"


def _learner_problems(config: AgentConfig) -> Iterator[str]:
    from agent.worker.adaptation.registry import learner

    if config.adaptation is None:
        return
    try:
        learner(config.adaptation.learner)
    except AgentError as exc:
        yield str(exc)


def _detector_problems(config: AgentConfig) -> Iterator[str]:
    from agent.worker.drift.registry import Watched, build_detectors

    watched = Watched(signals=("confidence",), edges={})
    for position, item in enumerate(config.drift.detectors):
        known = {key: value for key, value in item.items() if key != "signals"}  # names depend on the bundle
        try:
            build_detectors([known], watched)
        except AgentError as exc:
            yield f"drift.detectors[{position}]: {exc}"
