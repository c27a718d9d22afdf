"""Puts the agent together: reads the state directory, installs the first bundle, and hands everything its parts."""

from __future__ import annotations

import contextlib
import logging
import platform
import random
from dataclasses import replace
from pathlib import Path

from agent.active_slot import ActiveSlot
from agent.adapters import Adapters
from agent.block_relay import BlockRelay
from agent.candidate_slot import CandidateSlot
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core.core import Core
from agent.core.episode import begin_episode
from agent.core.records import Now
from agent.core.recovery import Recovery
from agent.core.reports import Voice
from agent.core.sample_budget import SampleBudget
from agent.delivery import Delivery
from agent.hands import DAY_S, SAMPLES_DAY, SAMPLES_USED, Hands
from agent.health import HealthProbe, hardware, operating_system
from agent.inbound import Inbound
from agent.inventory import Inventory, take_inventory
from agent.jobs import Jobs
from agent.link_events import Will
from agent.local.address import socket_path
from agent.local.answers import Answers
from agent.local.listener import LocalSocket
from agent.mqtt_link import MqttLink
from agent.outbox import Outbox
from agent.ports import Clock
from agent.sink import Sink
from agent.start_up import recovered
from agent.state_dir import StateDir
from agent.supervisor import Supervisor
from agent.systemd_notify import Systemd
from agent.trusted_time import TrustedTime
from agent.watchdog import Watchdog, status_line
from edge_models.wire.discovery import ADAPTATION, GATING
from edge_models.wire.files import FileGet
from edge_models.wire.telemetry import Meta, Status
from edge_models.wire.topics import Topics
from edge_models.wire.values import DeviceId

log = logging.getLogger(__name__)


def build(config: AgentConfig, *, clock: Clock, rng: random.Random, adapters: Adapters | None = None) -> Supervisor:
    """The supervisor with all its parts, ready to run.

    Args:
        config: As ``load_config`` gave it.
        clock: Both kinds of time.
        rng: For ids and jitter.
        adapters: To the world; the real ones when left out.

    Raises:
        ConfigError: The first bundle cannot be used.
        LinkError: Certificates or password cannot be used.
        StorageError: The state directory cannot be used.
    """
    with contextlib.ExitStack() as opened:
        supervisor = _assembled(config, clock, rng, adapters or Adapters(), opened)
        opened.pop_all()  # the supervisor closes them from here on
    return supervisor


def _assembled(
    config: AgentConfig, clock: Clock, rng: random.Random, adapters: Adapters, opened: contextlib.ExitStack
) -> Supervisor:
    now = Now(monotonic_s=clock.monotonic_s(), utc_s=clock.utc_s())
    inbound = Inbound(config)
    will = Will(Topics(config.mqtt.base).status(config.id), Status.OFFLINE.value.encode())
    link = opened.enter_context(
        contextlib.closing(adapters.open_link(config.mqtt, config.id, inbound.subscriptions, will))
    )
    state_dir = StateDir(adapters.open_storage(Path(config.state_dir)))
    local = _local_socket(config, opened)  # before anything is mended: it finds out whether another agent runs here
    inventory = take_inventory()
    runtimes = inventory.runtimes
    recovery = recovered(config, state_dir, runtimes, kernel=adapters.kernel_boot())
    outbox = opened.enter_context(contextlib.closing(Outbox(state_dir.storage, max_bytes=config.mqtt.outbox_bytes)))
    voice = Voice(device=config.id, boot=state_dir.next_boot(now.utc_s), started_s=now.monotonic_s)
    core = _core(config, recovery, voice, outbox, state_dir, runtimes, rng, now)
    active, candidate = _slots(config, adapters, state_dir, boot=voice.boot)
    time = TrustedTime(clock, stored_s=state_dir.read_time_floor_s(), store=state_dir.write_time_floor_s)
    delivery = Delivery(link, outbox, config.mqtt, config.id, state_s=config.report.state_s)
    jobs = Jobs(
        config,
        state_dir,
        runtimes=runtimes,
        time=time,
        relay=_relay(config, delivery, clock),
        spawn=adapters.spawn_job,
    )
    hands = Hands(
        config=config,
        about=_about(config, inventory),
        core=core,
        state_dir=state_dir,
        jobs=jobs,
        active=active,
        candidate=candidate,
        delivery=delivery,
        inbound=inbound,
        outbox=outbox,
        health=HealthProbe(state_dir.root),
        others=(time,),
        sink=None if config.sink is None else Sink(config.sink, published_hz=config.report.predictions_hz),
    )
    if local is not None:
        local.serve(Answers(hands, utc_s=clock.utc_s, is_connected=lambda: link.is_up, problem=lambda: link.problem))
        hands = replace(hands, others=(*hands.others, local))
    watchdog = _watchdog(config, core, active, link, adapters.systemd)
    return Supervisor(hands=hands, link=link, clock=clock, rng=rng, watchdog=watchdog, new_poll=adapters.new_poll)


def _slots(
    config: AgentConfig, adapters: Adapters, state_dir: StateDir, *, boot: int
) -> tuple[ActiveSlot, CandidateSlot]:
    """Where the active worker runs, and a candidate that gets copies of its frames."""
    candidate = CandidateSlot(
        bundle_dir=state_dir.bundle_dir,
        boot=boot,
        spawn=adapters.spawn_worker,
        silence_s=config.worker.silence_s,
        memory_mb=None if config.update is None else config.update.shadow.max_memory_mb,
    )
    active = ActiveSlot(
        config,
        bundle_dir=state_dir.bundle_dir,
        boot=boot,
        spawn=adapters.spawn_worker,
        shadow=candidate.compare,
        learnt=state_dir.read_adapted,
        drift_known=state_dir.read_drift,
    )
    return active, candidate


def _local_socket(config: AgentConfig, opened: contextlib.ExitStack) -> LocalSocket | None:
    if not config.local.enabled:
        return None
    return opened.enter_context(contextlib.closing(LocalSocket(socket_path(config), group=config.local.group)))


def _relay(config: AgentConfig, delivery: Delivery, clock: Clock) -> BlockRelay | None:
    if config.update is None or config.update.over != "mqtt":
        return None

    def publish(question: FileGet) -> None:
        now = Now(monotonic_s=clock.monotonic_s(), utc_s=clock.utc_s())
        delivery.publish(do.Publish(kind="file/get", message=question), now)

    return BlockRelay(publish)


def _watchdog(config: AgentConfig, core: Core, active: ActiveSlot, link: MqttLink, systemd: Systemd) -> Watchdog:
    return Watchdog(
        systemd,
        figures=active.figures,
        source=config.source,
        has_model=lambda: core.active is not None,
        status=lambda now_s: status_line(core.active, active.figures, is_up=link.is_up, now_s=now_s),
    )


def _core(
    config: AgentConfig,
    recovery: Recovery,
    voice: Voice,
    outbox: Outbox,
    state_dir: StateDir,
    runtimes: dict[str, str],
    rng: random.Random,
    now: Now,
) -> Core:
    episode = begin_episode(
        config,
        voice,
        state_dir.read_request(),
        now,
        new_id=lambda: f"{config.id}-{rng.getrandbits(48):012x}",
        budget=_budget(config, outbox, now),
        capabilities=_capabilities(config, runtimes),
        story=state_dir.read_episode(),
    )
    return Core(config=config, recovery=recovery, voice=voice, episode=episode, rng=rng, now=now)


def _budget(config: AgentConfig, outbox: Outbox, now: Now) -> SampleBudget:
    used = outbox.counter(SAMPLES_USED)
    if now.utc_s is not None and outbox.counter(SAMPLES_DAY) != int(now.utc_s // DAY_S):
        used = 0
    return SampleBudget(per_day=config.samples.budget_per_day, used=used, day_started_s=now.monotonic_s)


def _capabilities(config: AgentConfig, runtimes: dict[str, str]) -> dict[str, str]:
    wanted = {} if config.artifact is None else {"artifact": config.artifact}
    return {"arch": platform.machine(), **runtimes, **wanted}


def _abilities(config: AgentConfig) -> dict[str, str]:
    """What it does beside running a model, which no request needs to tell."""
    gating = {} if config.gating is None else {GATING: f"threshold {config.gating.threshold:g}"}
    learner = {} if config.adaptation is None else {ADAPTATION: str(config.adaptation.learner.get("name"))[:200]}
    return {**gating, **learner}


def _about(config: AgentConfig, inventory: Inventory) -> Meta:
    return Meta(
        ts=None,
        up=0.0,
        id=DeviceId(config.id),
        agent=inventory.agent,
        model=config.model,
        channel=config.channel,
        hardware=hardware(),
        arch=platform.machine(),
        os=operating_system(),
        python=platform.python_version(),
        runtimes=inventory.runtimes,
        capabilities={
            **_capabilities(config, inventory.runtimes),
            **_abilities(config),
            "river": inventory.river,  # without it no witness, and no detectors of River
        },
        labels=config.labels,
        groups=config.groups,
        max_packet_bytes=config.mqtt.max_packet_bytes,
    )
