"""What devices publish, as deliveries."""

from __future__ import annotations

import base64

import numpy as np

from deploy.link import Delivery
from edge_models.manifest import BundleId
from edge_models.wire import (
    DeviceId,
    DriftReport,
    DriftState,
    Event,
    Evidence,
    Meta,
    ModelRequest,
    ModelState,
    RequestReason,
    SampleMessage,
    SampleReason,
    State,
    Stats,
    Timestamp,
    encode_message,
)

OLD, NEW = BundleId("a" * 64), BundleId("b" * 64)
TS = Timestamp("2026-11-22T08:00:00.000Z")


def delivery(device: str, kind: str, message: object, *, retained: bool = False) -> Delivery:
    payload = message if isinstance(message, bytes) else encode_message(message)
    topic = f"driftline/{device}/{kind}"
    return Delivery(topic=topic, payload=payload, retained=retained, qos=1, mid=1, client=None)


def meta(
    device: str, *, model: str = "digits", channel: str = "stable", labels: dict[str, str] | None = None
) -> Delivery:
    message = Meta(ts=TS, up=1.0, id=DeviceId(device), agent="0.1", model=model, channel=channel, labels=labels or {})
    return delivery(device, "meta", message, retained=True)


def status(device: str, text: str = "online") -> Delivery:
    return delivery(device, "status", text.encode(), retained=True)


def device_state(device: str, bundle: BundleId = OLD) -> Delivery:
    return delivery(device, "state", State(ts=TS, up=2.0, boot=1, seq=1, bundle=bundle, artifact="x", n=10, rate_hz=5))


def drift(
    device: str,
    state: DriftState,
    *,
    position: int = 400,
    bundle: BundleId | None = None,
    context: str | None = None,
    learning: str | None = None,
) -> Delivery:
    message = DriftReport(
        ts=TS,
        up=3.0,
        state=state,
        since=TS,
        position=position,
        severity=0.4,
        signal="mean",
        bundle=bundle,
        context=context,
        learning=learning,
    )
    return delivery(device, "drift", message)


def event(device: str, number: int, *, type_: str = "started", boot: int = 1) -> Delivery:
    message = Event(ts=TS, up=4.0, id=f"{device}-{boot}-{number}", boot=boot, seq=number, type=type_)
    return delivery(device, "event", message)


def model_state(device: str, state: ModelState, *, retained: bool = False) -> Delivery:
    return delivery(device, "model/state", state, retained=retained)


def request(
    device: str,
    identity: str,
    *,
    bundle: BundleId | None = OLD,
    reason: RequestReason = RequestReason.DRIFT,
    samples_on_offer: int = 0,
) -> Delivery:
    message = ModelRequest(
        ts=TS,
        up=5.0,
        id=identity,
        reason=reason,
        model="digits",
        bundle=bundle,
        artifact="tflite-int8",
        evidence=Evidence(profile="0" * 16, sketch="abc", n=200, effects={"mean": 0.4}),
        samples_on_offer=samples_on_offer,
    )
    return delivery(device, "model/request", message, retained=True)


def request_closed(device: str) -> Delivery:
    return delivery(device, "model/request", b"")


def stats(
    device: str,
    number: int,
    sketch: str | None,
    *,
    n: int = 200,
    thin: int = 1,
    bundle: BundleId = OLD,
    artifact: str = "tflite-int8",
    boot: int = 1,
) -> Delivery:
    message = Stats(
        ts=TS, up=7.0, boot=boot, seq=number, bundle=bundle, artifact=artifact, n=n, thin=thin, sketch=sketch
    )
    return delivery(device, "stats", message)


def sample(device: str, number: int, *, value: int = 7, side: int = 8) -> Delivery:
    message = SampleMessage(
        ts=TS,
        up=6.0,
        id=f"1-{number}",
        bundle=OLD,
        position=number,
        why=SampleReason.DRIFT,
        predicted=1,
        confidence=0.5,
        dtype="uint8",
        shape=(side, side),
        x=base64.b64encode(np.full((side, side), value, dtype=np.uint8).tobytes()).decode(),
    )
    return delivery(device, "sample", message)
