"""What connects the agent with the world, to be chosen when it is put together: tests and soaks bring their own."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.active_slot import Spawn
from agent.config import MqttConfig
from agent.link_events import Will
from agent.mqtt_link import MqttLink
from agent.process import JobProcess, WorkerProcess
from agent.start_up import kernel_boot
from agent.storage import Storage
from agent.systemd_notify import Systemd


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """The real ones, where nothing else is named.

    Attributes:
        open_storage: Opens the state directory.
        open_link: Opens the connection to the broker.
        spawn_worker: Starts a process that runs a model.
        spawn_job: Starts a short-lived child.
        systemd: Who hears how the service does.
        new_poll: Waits for descriptors and for time.
        kernel_boot: Tells one boot of the machine from another.
    """

    open_storage: Callable[[Path], Storage] = Storage
    open_link: Callable[[MqttConfig, str, Sequence[str], Will], MqttLink] = MqttLink
    spawn_worker: Spawn = WorkerProcess
    spawn_job: Callable[..., JobProcess] = JobProcess
    systemd: Systemd = field(default_factory=Systemd)
    new_poll: Callable[[], select.poll] = select.poll
    kernel_boot: Callable[[], str | None] = kernel_boot
