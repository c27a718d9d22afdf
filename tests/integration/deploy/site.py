"""A whole fleet side on this machine: broker, registry, controller as processes, and devices that do as they please."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import yaml
from sqlalchemy.orm import Session

from deploy import process
from deploy.config import MqttConfig
from deploy.fleet.database import FleetDatabase
from deploy.fleet.jobs import all_jobs
from deploy.fleet.reports import all_devices
from deploy.fleet.requests import all_requests
from deploy.fleet.samples import listed
from deploy.fleet.states import JobState, RequestState
from deploy.link import Link
from deploy.registry import Registry
from edge_models.channel import Channel
from edge_models.manifest import BundleId
from edge_models.wire import (
    Command,
    Desired,
    DeviceId,
    LastResult,
    Meta,
    ModelState,
    ModelVersion,
    Reply,
    Topics,
    UpdatePhase,
    decode_message,
    encode_message,
)
from tests.integration.deploy.brokers import Ports, until
from tests.unit.deploy.fakes import write_fake_bundle
from tests.unit.deploy.fleets import reference

ROOT = Path(__file__).resolve().parents[3]
MODEL = "digits"
Behaviour = Callable[[Desired], UpdatePhase | None]


def obedient(_: Desired) -> UpdatePhase | None:
    return UpdatePhase.COMMITTED


def rejecting(_: Desired) -> UpdatePhase | None:
    return UpdatePhase.REJECTED


def silent(_: Desired) -> UpdatePhase | None:
    return None


class FakeAgent:
    """What the fleet side sees of an agent: it obeys ``desired`` as its behaviour says, and every command."""

    def __init__(self, name: str, port: int, running: BundleId, behaviour: Behaviour) -> None:
        self.name = name
        self.running = running
        self.behaviour = behaviour
        self.told: list[Desired] = []
        self.commanded: list[tuple[str, dict[str, Any]]] = []
        self._topics = Topics()
        self._up = 1.0
        config = MqttConfig(host="127.0.0.1", port=port)
        self.link = Link(
            config, [(self._topics.desired(name), 1), (self._topics.command(name, "+"), 1)], client_id=name
        )

    def __enter__(self) -> Self:
        self.link.start()
        self.link.wait_until_connected(10)
        meta = Meta(ts=None, up=0.0, id=DeviceId(self.name), agent="test", model=MODEL, channel="stable")
        self.publish("meta", encode_message(meta))
        self.publish("status", b"online")
        self.report(UpdatePhase.IDLE, self.running)
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()

    def publish(self, kind: str, payload: bytes, *, retain: bool = True) -> None:
        self.link.publish(self._topics.of(self.name, kind), payload, qos=1, retain=retain)

    def report(self, phase: UpdatePhase, installed: BundleId, last: LastResult | None = None) -> None:
        self._up += 1.0
        message = ModelState(
            ts=None, up=self._up, phase=phase, installed=ModelVersion(bundle=installed), last_result=last
        )
        self.publish("model/state", encode_message(message))

    def pump(self) -> None:
        """Do what has been asked for since the last time."""
        deliveries = self.link.receive(0.02)
        self.link.acknowledge(deliveries)
        for delivery in deliveries:
            kind, _, verb = self._topics.parse(delivery.topic).kind.partition("/")
            if kind == "cmd":
                self._obey(verb, decode_message(Command, delivery.payload))
                continue
            desired = decode_message(Desired, delivery.payload)
            self.told.append(desired)
            outcome = self.behaviour(desired)
            if desired.bundle == self.running or outcome is None:
                continue
            self.report(UpdatePhase.DOWNLOADING, self.running)
            if outcome is UpdatePhase.COMMITTED:
                self.running = desired.bundle
            last = LastResult(bundle=desired.bundle, outcome=outcome, rollout=desired.rollout)
            self.report(outcome, self.running, last)

    def _obey(self, verb: str, command: Command) -> None:
        self.commanded.append((verb, dict(command.args)))
        reply = Reply(ts=None, up=self._up, id=command.id, ok=verb != "undo", code="ok" if verb != "undo" else "no")
        self.publish(f"reply/{verb}", encode_message(reply), retain=False)


class Site:
    """Directories, registry with two published bundles, fleet.yaml; programs are started on demand."""

    def __init__(self, folder: Path, ports: Ports, stack: ExitStack) -> None:
        self.folder = folder
        self.ports = ports
        self._stack = stack
        self._database: FleetDatabase | None = None
        self.registry = Registry.create(folder / "registry")
        self.old, self.new = (
            self.registry.publish(
                write_fake_bundle(
                    folder / f"bundle-{serial}",
                    serial=serial,
                    version=str(serial),
                    accuracy=0.9,
                    profile=reference().to_npz(),
                ).directory
            )
            for serial in (1, 2)
        )
        self.registry.set_channel(
            Channel(model=MODEL, channel="stable", rev=1, bundle=self.old, base=None, listed={self.old: 1})
        )
        self.config = folder / "fleet.yaml"
        self.write_config()
        self.agents: list[FakeAgent] = []

    def write_config(self, **changes: Any) -> None:
        document: dict[str, Any] = {
            "registry": "registry",
            "model": MODEL,
            "work_dir": "jobs",
            "mqtt": {"host": "127.0.0.1", "port": self.ports.mqtt5},
            "rollout": {"canary": 1, "wave_timeout_s": 30, "back_timeout_s": 10},
            "retrain": {"settle_s": 0.2},
        }
        self.config.write_text(yaml.safe_dump(document | changes), encoding="utf-8")

    def agent(self, name: str, behaviour: Behaviour = obedient) -> FakeAgent:
        agent = self._stack.enter_context(FakeAgent(name, self.ports.mqtt5, self.old, behaviour))
        self.agents.append(agent)
        return agent

    @contextlib.contextmanager
    def daemon(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A program of ours that has said that it is ready."""
        command = [sys.executable, "-m", "deploy", *arguments, "-c", str(self.config), "--json"]
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            program = process.start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        with process.running(program):
            if program.stdout is None or json.loads(program.stdout.readline())["event"] != "ready":
                raise AssertionError(f"{arguments[0]} is not ready")
            yield program

    def controller(self) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
        return self.daemon("controller")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of ours, started."""
        command = [sys.executable, "-m", "deploy", *arguments, "-c", str(self.config), "--json"]
        return process.start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def call(self, *arguments: str) -> Any:
        """A command of ours, run to its end while the agents go on: what it prints."""
        code, out, err = self.finished(self.start(*arguments))
        if code != 0:
            raise AssertionError(f"{arguments} ended with {code}: {err}")
        return json.loads(out)

    def finished(self, program: subprocess.Popen[bytes]) -> tuple[int, str, str]:
        """Exit code and output of a program; the agents go on meanwhile."""
        with process.running(program):
            for _ in until("the command ends", 60):
                self.pump()
                if program.poll() is not None:
                    break
            out, err = program.communicate()
        return program.returncode, out.decode(), err.decode()

    def pump(self) -> None:
        for agent in self.agents:
            agent.pump()

    def until(self, what: str, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Let the agents go on until the condition holds."""
        for _ in until(what, timeout_s):
            self.pump()
            if condition():
                return

    def reading(self) -> contextlib.AbstractContextManager[Session]:
        """The fleet database, read in this process: starting a command for each look would take seconds."""
        if self._database is None:
            self._database = FleetDatabase.open(f"sqlite:///{self.folder / 'fleet.sqlite'}", must_exist=True)
            self._stack.callback(self._database.close)
        return self._database.read()

    def devices(self) -> int:
        """Number of devices that the controller knows with everything that a rollout needs."""
        with self.reading() as session:
            return sum(device.model is not None and device.status == "online" for device in all_devices(session))

    def samples(self) -> int:
        with self.reading() as session:
            return len(listed(session))

    def requests(self) -> list[tuple[str, str | None, RequestState]]:
        with self.reading() as session:
            return [(one.id, one.job, one.state) for one in all_requests(session)]

    def jobs(self) -> list[tuple[str, JobState]]:
        with self.reading() as session:
            return [(job.id, job.state) for job in all_jobs(session)]

    def channel(self) -> Channel:
        channel = self.registry.channel(MODEL, "stable")
        if channel is None:
            raise AssertionError("no channel")
        return channel


@contextlib.contextmanager
def site(folder: Path, ports: Ports) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(folder, ports, stack)
