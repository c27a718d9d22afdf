"""What an onlooker with a subscription sees: predictions, drift, requests and update states of every device.

No network here: ``record`` takes a topic and a payload. The true labels are the demo's alone, so accuracy is counted
here and not on the devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.demo.report import Accuracy
from deploy.demo.streams import Stream
from edge_models.errors import FieldError
from edge_models.wire import (
    DriftReport,
    DriftState,
    ModelRequest,
    ModelState,
    Prediction,
    SampleMessage,
    Topics,
    UpdatePhase,
    decode_message,
)

ALARMED = (DriftState.SUSPECT, DriftState.CONFIRMED, DriftState.REQUESTED)


@dataclass(slots=True, kw_only=True)
class Watched:
    """What is known of one device.

    Attributes:
        stream: What its camera sees, with the truth.
        predicted: For each bundle the predicted class by frame.
        drift: Drift states in the order in which they were entered, each with the frame.
        model: The newest model/state.
        requests: Requests for a model by id.
        delivered: Frames that left the device as samples.
    """

    stream: Stream
    predicted: dict[str, dict[int, int]] = field(default_factory=dict)
    drift: list[tuple[DriftState, int]] = field(default_factory=list)
    model: ModelState | None = None
    requests: dict[str, ModelRequest] = field(default_factory=dict)
    delivered: set[int] = field(default_factory=set)

    @property
    def running(self) -> str | None:
        """The bundle that it has committed to, or None."""
        return self.model.installed.bundle if self.model and self.model.installed else None

    @property
    def running_artifact(self) -> str | None:
        """The artifact of it that it runs, or None."""
        return self.model.installed.artifact if self.model and self.model.installed else None

    def has_committed(self, bundle: str) -> bool:
        """Whether it runs ``bundle`` and has proved it."""
        settled = self.model is not None and self.model.phase in (UpdatePhase.COMMITTED, UpdatePhase.IDLE)
        return settled and self.running == bundle

    @property
    def frame(self) -> int:
        """The newest frame that it has predicted, or -1."""
        return max((max(frames) for frames in self.predicted.values() if frames), default=-1)

    @property
    def drift_state(self) -> DriftState:
        """The state that it last reported."""
        return self.drift[-1][0] if self.drift else DriftState.OK

    @property
    def detected_at(self) -> int | None:
        """The first frame after the drift at which it raised an alarm, or None."""
        start = self.stream.drift_at
        return (
            None if start is None else next((at for state, at in self.drift if state in ALARMED and at >= start), None)
        )

    @property
    def alarms_before_drift(self) -> int:
        """How often it entered SUSPECT or worse without cause."""
        start = self.stream.drift_at
        return sum(state in ALARMED and (start is None or at < start) for state, at in self.drift)


class Watch:
    """Collects messages of the whole fleet; wrong ones are counted, as every reader of the contract does."""

    def __init__(self, streams: Mapping[str, Stream]) -> None:
        self.devices = {name: Watched(stream=stream) for name, stream in streams.items()}
        self.refused = 0
        self._topics = Topics()

    def filters(self) -> Sequence[str]:
        """What to subscribe to."""
        topics = self._topics
        return [
            topics.prediction("+"),
            topics.drift("+"),
            topics.model_state("+"),
            topics.model_request("+"),
            topics.sample("+"),
        ]

    def record(self, topic: str, payload: bytes) -> None:
        """Take one message in; an empty payload clears a retained topic and says nothing new."""
        if not payload:
            return
        try:
            owner, kind = self._topics.parse(topic)
            device = self.devices[owner]
            match kind:
                case "prediction":
                    self._record_prediction(device, decode_message(Prediction, payload))
                case "drift":
                    self._record_drift(device, decode_message(DriftReport, payload))
                case "model/state":
                    device.model = decode_message(ModelState, payload)
                case "model/request":
                    request = decode_message(ModelRequest, payload)
                    device.requests[request.id] = request
                case "sample":
                    sample = decode_message(SampleMessage, payload)
                    if sample.position is not None:
                        device.delivered.add(sample.position)
        except (FieldError, KeyError):
            self.refused += 1

    @staticmethod
    def _record_prediction(device: Watched, prediction: Prediction) -> None:
        if prediction.position is not None and prediction.label is not None:
            device.predicted.setdefault(prediction.bundle, {})[prediction.position] = prediction.label

    @staticmethod
    def _record_drift(device: Watched, report: DriftReport) -> None:
        if not device.drift or device.drift[-1][0] is not report.state:
            device.drift.append((report.state, report.position or 0))


def delivered_sources(watch: Watch) -> set[int]:
    """The pictures behind all samples that any device has delivered."""
    return {int(device.stream.source[at]) for device in watch.devices.values() for at in device.delivered}


def accuracy(device: Watched, *, old: str, new: str | None, taught: set[int]) -> tuple[Accuracy, dict[str, int]]:
    """Accuracy before the drift, in it under the old bundle, and after the swap.

    Args:
        device: One device.
        old: The bundle that every device began with.
        new: The bundle that answered, or None.
        taught: Pictures that were delivered for training: they do not count as "after".

    Returns:
        The three accuracies, and over how many frames each is taken.
    """
    truth, start = device.stream.y, device.stream.drift_at
    first = {at: label for at, label in device.predicted.get(old, {}).items() if at < len(truth)}
    last = {at: label for at, label in device.predicted.get(new or "", {}).items() if at < len(truth)}
    phases = {"before": {at: label for at, label in first.items() if start is None or at < start}}
    if start is not None:
        phases["drifted"] = {at: label for at, label in first.items() if at >= start}
    phases["after"] = {
        at: label
        for at, label in last.items()
        if (start is None or at >= start) and int(device.stream.source[at]) not in taught
    }
    shares = {
        name: sum(label == int(truth[at]) for at, label in frames.items()) / len(frames) if frames else None
        for name, frames in phases.items()
    }
    counts = {name: len(frames) for name, frames in phases.items()}
    return Accuracy(before=shares["before"], drifted=shares.get("drifted"), after=shares["after"]), counts
