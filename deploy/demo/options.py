"""What the user may choose, and what follows from it: which device drifts, how, and when."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from deploy.demo.errors import DemoError

MODEL = "digits"
CHANNEL = "stable"
ArtifactName = Literal["tflite-int8", "spiking"]
ARTIFACTS: tuple[ArtifactName, ...] = get_args(ArtifactName)
FEWEST_DEVICES, MOST_DEVICES = 3, 12
_PATTERN: tuple[str | None, ...] = (None, "winter light", "new camera")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """One device of the demo."""

    id: str
    drift: str | None
    drift_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Everything that shapes a run.

    Attributes:
        devices: Number of agents.
        artifact: What the devices run.
        drift_file: Frames of an unseen corruption, in the place of "new camera".
        report: Where the report goes.
        keep: Whether everything stays up until Ctrl-C.
        fast: Whether to see only as many frames as the figures need, and to train for fewer epochs.
        seed: Of everything random.
    """

    devices: int = 3
    artifact: ArtifactName = "tflite-int8"
    drift_file: Path | None = None
    report: Path = Path("demo-report.json")
    keep: bool = False
    fast: bool = False
    seed: int = 7

    def __post_init__(self) -> None:
        """Refuse fleets that cannot show the loop, or that this machine cannot run."""
        if not FEWEST_DEVICES <= self.devices <= MOST_DEVICES:
            raise DemoError(
                f"--devices: found {self.devices}, expected {FEWEST_DEVICES} to {MOST_DEVICES}: "
                "one healthy and two that drift are the smallest fleet that shows the loop"
            )

    @property
    def rate_hz(self) -> float:
        """Frames per second on each device."""
        return 40.0 if self.fast else 25.0

    @property
    def stream_frames(self) -> int:
        """Length of each stream: more than a run needs on a slow machine; fine-tuning for spikes takes its time."""
        return int(self.rate_hz * (360 if self.artifact == "spiking" else 280))

    def plans(self) -> list[DevicePlan]:
        """Who drifts how: a third stays healthy, the rest takes turns; drift begins at another frame on each."""
        plans = []
        for number in range(self.devices):
            drift = _PATTERN[number % len(_PATTERN)]
            if drift == "new camera" and self.drift_file is not None:
                drift = "unseen"
            start = 400 + 25 * number if drift else None
            plans.append(DevicePlan(id=f"pi-{number + 1}", drift=drift, drift_at=start))
        return plans
