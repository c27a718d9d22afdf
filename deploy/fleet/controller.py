"""The controller daemon: one thread that owns the fleet's state.

Messages come in and are stored before they are acknowledged; about twice a second requests are gathered into jobs,
rollouts are moved on, and devices whose desired model has changed are told. Everything that it knows is in the
database, so that it may be killed at any point and started again.
"""

from __future__ import annotations

import logging
from typing import NoReturn

from deploy.clock import Clock
from deploy.config import FleetConfig
from deploy.errors import ConfigError, DatabaseError, DeployError
from deploy.fleet import counts, desired, gaps, jobs, reports, requests, rollouts, samples
from deploy.fleet.asking import SampleAsker
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest, subscriptions
from deploy.link import Delivery, Link
from deploy.rollout.ports import Channels
from deploy.rollout.runner import RolloutRunner
from edge_models.errors import EdgeModelsError
from edge_models.manifest import BundleId, short
from edge_models.wire import CommandVerb, Topics, channel_named, encode_message

log = logging.getLogger(__name__)

TICK_S = 0.5
RECEIVE_S = 0.2
MAX_FAILURES = 10  # ticks in a row that end in a mistake of ours
FORGET_EVERY_S = 3600.0
_DAY_S = 86400.0


class Controller:
    """The controller of one model slot of one fleet.

    Args:
        config: fleet.yaml.
        database: The fleet database.
        channels: The registry's channels.
        link: A persistent connection with ``subscriptions(topics)``.
        clock: Tells the time.

    Raises:
        ConfigError: The configuration names no model.
    """

    def __init__(
        self, config: FleetConfig, database: FleetDatabase, channels: Channels, link: Link, clock: Clock
    ) -> None:
        if config.model is None:
            raise ConfigError("model: found nothing, expected the name of the model slot, such as digits")
        self._model = config.model
        self._config = config
        self._database = database
        self._link = link
        self._clock = clock
        self._topics = Topics(config.mqtt.base)
        self.ingest = Ingest(database, self._topics, clock)
        self._channels = channels
        self._unpublished: set[BundleId] = set()
        self._asker = SampleAsker(config.model, config.retrain.samples)
        self._runner = RolloutRunner(database, channels, clock)
        self._pending: list[Delivery] = []
        self._sent: dict[str, int] = {}
        self._connections = 0
        self._failures = 0
        self._next_tick_s = 0.0
        self._next_forget_s = 0.0

    def run(self) -> NoReturn:
        """Work until a signal raises an exception, or ticks fail so often that a restart may be what helps."""
        while True:
            try:
                self.step()
            except Exception:
                self._failures += 1
                log.exception("tick failed count=%d", self._failures)
                if self._failures >= MAX_FAILURES:
                    raise

    def step(self) -> None:
        """Take in what has come, and tick when it is time; waits a little for messages."""
        try:
            self._pending = self._pending or self._link.receive(RECEIVE_S)
            self.ingest.apply(self._pending)
            self._link.acknowledge(self._pending)
            self._pending = []
            if self._clock.monotonic_s() >= self._next_tick_s:
                self._next_tick_s = self._clock.monotonic_s() + TICK_S
                self.tick()
                self._failures = 0
        except DatabaseError as exc:  # full disk, restarted server: what has come stays pending and is tried again
            log.error("%s; trying again", exc)  # noqa: TRY400 - our own errors say it all
            self._clock.sleep(TICK_S)

    def tick(self) -> None:
        """Move everything on that does not wait for a message."""
        now_s = self._clock.unix_s()
        with self._database.write() as session:
            requests.gather(session, self._model, self._config, now_s, is_listed=self._is_listed)
            jobs.end_with_rollouts(session, now_s)
        self._note_bundles(now_s)
        self._runner.tick()
        self._publish_desired()
        self._ask_for_samples(now_s)
        self._ask_again(now_s)
        self._forget(now_s)

    def _is_listed(self, bundle: str) -> bool:
        """Whether the channel lists a bundle; as long as the registry cannot be read, nothing is decided upon it."""
        try:
            channel = self._channels.channel(self._model, self._config.channel)
        except (DeployError, EdgeModelsError) as exc:
            log.warning("channel cannot be read: %s", exc)
            return True
        return channel is not None and bundle in channel.listed

    def _note_bundles(self, now_s: float) -> None:
        """Keep names and classes of the bundles that devices run, so that people can label by class name."""
        with self._database.read() as session:
            unknown = rollouts.unknown_bundles(session) - self._unpublished
        for bundle in unknown:
            try:
                manifest = self._channels.manifest(bundle)
            except (DeployError, EdgeModelsError) as exc:
                log.info("a device runs a bundle that is not ours bundle=%s: %s", short(bundle), exc)
                self._unpublished.add(bundle)
                continue
            with self._database.write() as session:
                rollouts.note_bundle(session, bundle, manifest, now_s)

    def _publish_desired(self) -> None:
        """Tell devices what is new, and everything again to a broker that may have forgotten it."""
        if not self._link.is_connected:
            return
        if self._connections != self._link.connections:
            self._connections = self._link.connections
            self._sent.clear()
        channel = channel_named("desired")
        with self._database.read() as session:
            for device, rev in desired.revisions(session).items():
                if self._sent.get(device) != rev:
                    payload = encode_message(desired.message(session, device))
                    topic = self._topics.desired(device)
                    self._link.publish(topic, payload, qos=channel.qos, retain=channel.retain)
                    self._sent[device] = rev

    def _ask_for_samples(self, now_s: float) -> None:
        if not self._link.is_connected:
            return
        with self._database.read() as session:
            asks = self._asker.due(session, now_s)
        channel = channel_named(f"cmd/{CommandVerb.SAMPLES}")
        for ask in asks:
            topic, payload = self._topics.command(ask.device, CommandVerb.SAMPLES), encode_message(ask.command)
            self._link.publish(topic, payload, qos=channel.qos, retain=channel.retain, expiry_s=channel.expiry_s)
            log.info("samples asked for device=%s n=%d", ask.device, ask.n)

    def _ask_again(self, now_s: float) -> None:
        """Ask devices for durable messages that never arrived."""
        if not self._link.is_connected:
            return
        with self._database.write() as session:
            asks = gaps.due(session, self._config.gaps, now_s)
        channel = channel_named(f"cmd/{CommandVerb.RESEND}")
        for ask in asks:
            topic, payload = self._topics.command(ask.device, CommandVerb.RESEND), encode_message(ask.command)
            self._link.publish(topic, payload, qos=channel.qos, retain=channel.retain, expiry_s=channel.expiry_s)
            log.info(
                "messages asked for again device=%s kind=%s boot=%d first=%d last=%d",
                ask.device, ask.kind, ask.boot, ask.first, ask.last,
            )  # fmt: skip

    def _forget(self, now_s: float) -> None:
        if self._clock.monotonic_s() < self._next_forget_s:
            return
        self._next_forget_s = self._clock.monotonic_s() + FORGET_EVERY_S
        before_s = now_s - self._config.keep_days * _DAY_S
        with self._database.write() as session:
            reports.forget_before(session, before_s)
            counts.forget_before(session, before_s)
            gaps.forget_before(session, before_s)
            samples.forget_unlabelled_before(session, before_s)


def controller_link(config: FleetConfig, clock: Clock) -> Link:
    """The controller's connection: the broker keeps events and samples while it is away."""
    return Link(config.mqtt, subscriptions(Topics(config.mqtt.base)), persistent=True, clock=clock)
