"""The loop from top to bottom: train, publish, run, drift, ask, label, retrain, roll out, recover.

Everything that happens to the fleet is done by its own programs, started by ``stage``; this file only tells them to
begin, labels samples as a person would, watches, and counts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from deploy.clock import Clock
from deploy.config import MqttConfig
from deploy.demo.errors import DemoStalledError
from deploy.demo.findings import collect
from deploy.demo.labelling import Labeller
from deploy.demo.options import CHANNEL, DemoOptions
from deploy.demo.report import ENOUGH_FRAMES, Findings
from deploy.demo.stage import Stage
from deploy.demo.streams import Stream, device_streams, load_drift, write_stream, write_training_set
from deploy.demo.teller import Teller
from deploy.demo.watch import Watch, accuracy, delivered_sources
from deploy.demo.wording import why
from deploy.link import Link
from edge_models.bundle import open_manifest
from edge_models.manifest import short
from edge_models.wire import DriftState

READY_TIMEOUT_S = 30.0
INSTALL_TIMEOUT_S = 90.0
DRIFT_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 400.0
AFTER_TIMEOUT_S = 120.0
BLIND_TIMEOUT_S = 150.0
LEARNT_FRAMES = 400  # a cured device learns its present input in so many; whether it is quiet shows afterwards
LOOK_EVERY_S = 0.2
ASK_EVERY_S = 2.0  # a call of driftline-fleet costs half a second of processor time


class Story:
    """One run of the demo: chapters in their order, each on top of what the ones before have brought about.

    Attributes:
        watch: What an onlooker has seen; it knows the devices as soon as their streams are made.
    """

    def __init__(self, options: DemoOptions, stage: Stage, teller: Teller, clock: Clock) -> None:
        self.watch = Watch({})
        self._unseen = load_drift(options.drift_file) if options.drift_file else None
        self._options = options
        self._plans = options.plans()
        self._stage = stage
        self._teller = teller
        self._clock = clock
        self._first = ""
        self._second: str | None = None

    def tell(self) -> None:
        """Run the loop once.

        Raises:
            DemoStalledError: A step did not happen in its time.
        """
        mqtt = MqttConfig(host="127.0.0.1", port=self._stage.mqtt_port, protocol="5", client_id="driftline-onlooker")
        with self._teller.chapter("train", "1. Train a model and convert it to int8"):
            self._train()
        with self._teller.chapter("publish", "2. Publish it, signed, and start the fleet"):
            self._publish()
        with Link(mqtt, [(topic, 0) for topic in self.watch.filters()], clock=self._clock) as link:
            with self._teller.chapter("install", "3. Devices download, verify, test and commit the model"):
                self._start_devices(link)
            with self._teller.chapter("drift", "4. Cameras change; devices notice and ask for a better model"):
                self._drift(link)
            with self._teller.chapter("answer", "5. Samples are labelled; the fleet side retrains and rolls out"):
                self._answer(link)
            with self._teller.chapter("recover", "6. The devices go on with the new model"):
                self._recover(link)

    def findings(self) -> Findings:
        """Everything that was measured so far; also of a run that did not come to its end."""
        seconds = {**self._teller.seconds, "total": round(self._teller.elapsed_s, 1)}
        return collect(
            *(self._stage, self._plans, self.watch, self._options.artifact),
            first=self._first,
            second=self._second,
            seconds=seconds,
        )

    def _train(self) -> None:
        folder = self._stage.folder
        self.watch = Watch(self._streams())
        write_training_set(folder / "training.npz", self._options.seed)
        (folder / "recipe.yaml").write_bytes(_recipe(self._options))
        for plan in self._plans:
            (folder / "devices" / plan.id).mkdir(parents=True, exist_ok=True)
            write_stream(
                folder / "devices" / plan.id / "stream.npz",
                self.watch.devices[plan.id].stream,
                rate_hz=self._options.rate_hz,
            )
        self._teller.note(f"{len(self._plans)} streams of {self._options.stream_frames} frames written")
        said = self._stage.call(
            *("converter", "build", "recipe.yaml", "-o", "first", "--keep-model", "first.keras"),
            *("--json", "--progress", "json", "--set", f"training.epochs={8 if self._options.fast else 16}"),
            on_progress=lambda line: self._teller.progress(_step(line)),
            log="converter",
        )
        self._tell_figures(json.loads(said))

    def _tell_figures(self, report: Mapping[str, Any]) -> None:
        said = (
            f"accuracy {report['int8_accuracy']:.1%} in int8, {report['float_accuracy']:.1%} in float32; "
            f"{report['int8_bytes']} bytes, {report['int8_bytes'] / report['float_bytes']:.2f} of the float32 file"
        )
        if self._options.artifact == "spiking":
            figures = report["artifacts"]["spiking"]["figures"]
            said += f"; {figures['overall']['artifact']['value']:.1%} spiking, {figures['size_bytes']} bytes"
        self._teller.note(said)

    def _streams(self) -> dict[str, Stream]:
        streams = device_streams(
            [plan.drift for plan in self._plans],
            [plan.drift_at for plan in self._plans],
            frames=self._options.stream_frames,
            seed=self._options.seed,
            unseen=self._unseen,
        )
        return {plan.id: stream for plan, stream in zip(self._plans, streams, strict=True)}

    def _publish(self) -> None:
        stage, folder = self._stage, self._stage.folder
        stage.start("broker", "deploy", "broker", "--port", str(stage.mqtt_port), "--port-v3", "0")
        stage.call("deploy", "registry", "init", "registry", "--json")
        published = stage.call(
            "deploy", "registry", "publish", "first", "--registry", "registry", "--channel", CHANNEL, "--json"
        )
        self._first = str(open_manifest(folder / "first").id)
        models = folder / "jobs" / "models"  # where the retrain worker looks for the Keras model behind a bundle
        models.mkdir(parents=True)
        shutil.copy(folder / "first.keras", models / f"{self._first}.keras")
        stage.start(
            "registry", "deploy", "registry", "serve", "--registry", "registry", "--port", str(stage.registry_port)
        )
        config = stage.write_fleet_config(folder / "recipe.yaml", self._options)
        stage.start("controller", "deploy", "controller", "-c", config)
        stage.start("retrain", "deploy", "retrain", "-c", config)
        root = json.loads(published).get("root")
        self._teller.note(f"bundle {short(self._first)} signed; devices trust {root or 'registry/root.json'}")

    def _start_devices(self, link: Link) -> None:
        link.wait_until_connected(READY_TIMEOUT_S)
        for plan in self._plans:
            self._stage.start(plan.id, "agent", "run", "-c", self._stage.write_agent_config(plan, self._options))
        self._until(
            lambda: all(device.has_committed(self._first) for device in self.watch.devices.values()),
            link,
            INSTALL_TIMEOUT_S,
            "devices did not commit the first model",
        )
        self._teller.note(f"{len(self._plans)} devices run {short(self._first)}")

    def _drift(self, link: Link) -> None:
        drifting = [plan for plan in self._plans if plan.drift]
        seen: set[str] = set()

        def all_asked() -> bool:
            for plan in drifting:
                device = self.watch.devices[plan.id]
                if device.requests and plan.id not in seen:
                    seen.add(plan.id)
                    delay = (device.detected_at or 0) - (plan.drift_at or 0)
                    said = (
                        f"{plan.id} ({plan.drift}): alarm {delay} frames after the drift began, asks for a better model"
                    )
                    self._teller.note(f"{said}: {why(next(iter(device.requests.values())))}")
            return len(seen) == len(drifting)

        self._until(all_asked, link, DRIFT_TIMEOUT_S, "a drifted device did not ask for a model")

    def _answer(self, link: Link) -> None:
        labeller = Labeller(self._stage, self.watch)

        def rolled_out() -> bool:
            labelled = labeller.label_new()
            if labelled:
                self._teller.note(f"a person labels {labelled} samples")
            return self._ask_fleet()

        self._until(rolled_out, link, ANSWER_TIMEOUT_S, "no retrained model was rolled out", every_s=ASK_EVERY_S)
        self._until(
            lambda: all(device.has_committed(self._second or "") for device in self.watch.devices.values()),
            link,
            INSTALL_TIMEOUT_S,
            "devices did not commit the new model",
        )

    def _ask_fleet(self) -> bool:
        jobs = json.loads(self._stage.call("deploy", "requests", "-c", "fleet.yaml", "--json"))["jobs"]
        if not jobs:
            return False
        job = jobs[-1]
        self._teller.progress(f"job {job['id']}: {job['state']}, {job['step']}")
        if job["state"] in ("refused", "failed", "rolled_back", "cancelled"):
            raise DemoStalledError(f"retraining job ended as {job['state']}: {job['reason']}")
        if job["bundle"] and not self._second:
            self._second = job["bundle"]
            held = job["figures"]
            self._teller.note(
                f"retrained bundle {short(job['bundle'])} published: {held.get('held', 0):.1%} on held-back samples, "
                f"{held.get('held_parent', 0):.1%} before; canary first, then all"
            )
        return bool(job["state"] == "done")

    def _recover(self, link: Link) -> None:
        def enough() -> bool:
            taught = delivered_sources(self.watch)
            counts = [
                accuracy(device, old=self._first, new=self._second, taught=taught)[1]["after"]
                for device in self.watch.devices.values()
            ]
            self._teller.progress(f"frames with the new model: {', '.join(map(str, counts))} of {self._after_frames}")
            return min(counts) >= self._after_frames

        self._until(enough, link, AFTER_TIMEOUT_S, "devices did not go on with the new model", every_s=1.0)
        self._until(self._has_blind_figure, link, BLIND_TIMEOUT_S, "the blind comparison did not end", every_s=2.0)

    @property
    def _after_frames(self) -> int:
        return ENOUGH_FRAMES + LEARNT_FRAMES

    def _has_blind_figure(self) -> bool:
        self._teller.progress("comparing with a model retrained without evidence")
        jobs = json.loads(self._stage.call("deploy", "requests", "-c", "fleet.yaml", "--json"))["jobs"]
        return all(job["evidence_blind_accuracy"] is not None for job in jobs if job["state"] == "done")

    def _until(
        self,
        done: Callable[[], bool],
        link: Link,
        timeout_s: float,
        failure: str,
        *,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Take messages in until ``done``; stop when a program dies or time runs out."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        look_s = 0.0
        while True:
            for delivery in link.receive(LOOK_EVERY_S, most=2000):
                self.watch.record(delivery.topic, delivery.payload)
            now_s = self._clock.monotonic_s()
            if now_s >= look_s:
                look_s = now_s + every_s
                self._stage.check()
                self._say_where_devices_are()
                if done():
                    return
            if now_s > deadline_s:
                raise DemoStalledError(f"{failure} within {timeout_s:g} s; logs are in {self._stage.folder / 'logs'}")

    def _say_where_devices_are(self) -> None:
        states = []
        for name, device in self.watch.devices.items():
            mark = "" if device.drift_state is DriftState.OK else f" {device.drift_state}"
            states.append(f"{name} frame {device.frame}{mark}")
        self._teller.progress(", ".join(states))


def _recipe(options: DemoOptions) -> bytes:
    """The recipe, with the section of what the devices run."""
    names = ("recipe.yaml", "spiking.yaml") if options.artifact == "spiking" else ("recipe.yaml",)
    return b"".join((resources.files("deploy.demo") / name).read_bytes() for name in names)


def _step(line: str) -> str:
    try:
        step = json.loads(line)
        return f"{step['stage']} {step['done']}/{step['total']} {step['detail']}"
    except (ValueError, KeyError, TypeError):
        return line[:100]
