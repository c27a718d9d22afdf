"""Second implementations of the fleet side's ports: a clock, a registry, a converter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy.errors import ConverterError
from deploy.registry.errors import SerialError, UnknownBundleError
from deploy.retrain.ports import BuildOrder, Evaluation, OnStep
from edge_models.bundle import Bundle, file_entries, open_bundle, write_bundle
from edge_models.channel import Channel
from edge_models.manifest import Artifact, BundleId, InputSpec, Manifest, OutputSpec, Probe, Provenance, Requires
from edge_models.tensors import QuantParams, TensorSpec

START_S = 1_800_000_000.0
MODEL = "digits"


class FakeClock:
    """A deploy.clock.Clock that moves only when told to, or when somebody waits."""

    def __init__(self, unix_s: float = START_S) -> None:
        self.now_s = unix_s

    def unix_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


@dataclass(frozen=True)
class FakePublished:
    id: BundleId
    serial: int


@dataclass
class FakeRegistry:
    """Channels and bundles without signatures."""

    directories: dict[BundleId, Path] = field(default_factory=dict)
    serials: dict[BundleId, int] = field(default_factory=dict)
    present: dict[tuple[str, str], Channel] = field(default_factory=dict)
    history: list[Channel] = field(default_factory=list)

    def add(self, bundle: BundleId, serial: int) -> None:
        self.serials[bundle] = serial

    def set_first(self, bundle: BundleId, *, model: str = MODEL, channel: str = "stable") -> None:
        first = Channel(model=model, channel=channel, rev=1, bundle=bundle, listed={bundle: self.serials[bundle]})
        self.present[model, channel] = first

    def publish(self, bundle_directory: Path) -> BundleId:
        bundle = open_bundle(bundle_directory)
        if bundle.id not in self.serials and bundle.manifest.serial <= max(self.serials.values(), default=0):
            raise SerialError(f"serial {bundle.manifest.serial} is taken")
        self.directories[bundle.id] = bundle_directory
        self.serials[bundle.id] = bundle.manifest.serial
        return bundle.id

    def next_serial(self, model: str) -> int:
        return max(self.serials.values(), default=0) + 1

    def bundle_dir(self, bundle: BundleId) -> Path:
        return self.directories[bundle]

    def manifest(self, bundle: BundleId) -> Manifest:
        if bundle not in self.directories:
            raise UnknownBundleError(f"bundle {bundle}: not published")
        return open_bundle(self.directories[bundle]).manifest

    def find(self, prefix: str) -> FakePublished:
        found = [name for name in self.serials if name.startswith(prefix)]
        if len(found) != 1:
            raise UnknownBundleError(f"bundle {prefix}: not published")
        return FakePublished(id=found[0], serial=self.serials[found[0]])

    def channel(self, model: str, name: str) -> Channel | None:
        return self.present.get((model, name))

    def change_channel(self, model: str, name: str, change: Callable[[Channel | None], Channel]) -> Channel:
        before = self.present.get((model, name))
        after = change(before)
        if after != before:
            Channel.from_bytes(after.to_bytes())
            if before is not None and after.rev <= before.rev:
                raise AssertionError("rev must rise")
            self.present[model, name] = after
            self.history.append(after)
        return after


@dataclass
class FakeConverter:
    """Builds bundles that nobody can run, and gives each the accuracy that the test wants.

    Attributes:
        held: Accuracy on held-back samples by the bundle's version; other versions have 0.5.
        spiking: The same of the artifact ``spiking``.
        old: Accuracy on the old test set of what is built.
        orders: What has been ordered.
        on_start: Called at the start of a build.
        on_build: Called at its end.
    """

    held: Mapping[str, float] = field(default_factory=dict)
    spiking: Mapping[str, float] = field(default_factory=dict)
    old: float = 0.95
    fails: str = ""
    orders: list[BuildOrder] = field(default_factory=list)
    on_start: Callable[[], None] = lambda: None
    on_build: Callable[[], None] = lambda: None

    def build(self, order: BuildOrder, on_step: OnStep) -> None:
        self.orders.append(order)
        on_step("training")
        self.on_start()
        if self.fails:
            raise ConverterError(self.fails)
        write_fake_bundle(
            order.output,
            serial=order.serial,
            version=f"{order.version}-blind" if order.is_blind else order.version,
            accuracy=self.old,
            answers=order.answers,
        )
        if order.keep_model is not None:
            order.keep_model.write_bytes(b"keras")
        self.on_build()

    def evaluate(self, bundle: Path, data: Path) -> Evaluation:
        version = open_bundle(bundle).manifest.version
        found = {"tflite-int8": self.held.get(version, 0.5), "spiking": self.spiking.get(version, 0.5)}
        return Evaluation(n=30, accuracies=found)


def write_fake_bundle(
    directory: Path,
    *,
    serial: int,
    version: str,
    accuracy: float | None,
    answers: tuple[str, ...] = (),
    profile: bytes | None = None,
) -> Bundle:
    """A bundle that is right in every byte, with a model that is none."""
    files = {"model.tflite": f"model {serial} {version}".encode(), "probe.npz": b"probe"}
    files |= {} if profile is None else {"profile.npz": profile}
    quant = QuantParams(scale=0.5, zero_point=0)
    artifact = Artifact(
        engine="tflite",
        file="model.tflite",
        requires=Requires(runtimes=("ai-edge-litert",)),
        input=TensorSpec(shape=(8, 8, 1), dtype="int8", quant=quant),
        outputs=(OutputSpec(name="logits", role="logits", spec=TensorSpec(shape=(3,), dtype="int8", quant=quant)),),
        probe=Probe(file="probe.npz", count=4),
        profile=None if profile is None else "profile.npz",
        acceptance={} if accuracy is None else {"accuracy": accuracy},
    )
    manifest = Manifest(
        format_version=1,
        model=MODEL,
        version=version,
        serial=serial,
        task="classification",
        labels=("zero", "one", "two"),
        input=InputSpec(kind="image", source=TensorSpec(shape=(8, 8), dtype="uint8")),
        provenance=Provenance(answers=answers),
        files=file_entries(files),
        artifacts={"tflite-int8": artifact, "spiking": replace(artifact, engine="spiking")},
    )
    return write_bundle(directory, manifest, files)
