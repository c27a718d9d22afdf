"""The parts of agent.yaml that a worker is given: which frames are run, and what watches them. See also ``sources``."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.errors import FieldError
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class GatingConfig:
    """Which frames are held: so like the last one that was run that its answer is repeated."""

    threshold: float = described("Change of a value that counts, in the source's units.", ge=1e-9, le=1e9)
    share: float = described("A frame is run when more than this share of its values moved.", default=0.01, ge=0, le=1)
    max_held: int = described("Frames held in a row, at most; the next one is run.", default=20, ge=1, le=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningConfig:
    """The first time of a model on a site: alarms are raised, requests are held."""

    hours: float = described("Wall time that it takes at least.", default=24.0, ge=0.0, le=8760.0)
    n_effective: int = described("Independent frames that it takes at least.", default=500, ge=0, le=1_000_000)
    decorrelation_frames: int = described(
        "Frames that the correlation of neighbouring ones is measured on.", default=2000, ge=64, le=20_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftConfig:
    """How production data are compared with the training data."""

    window: int = described("Frames in a window.", default=200, ge=20, le=100_000)
    detectors: tuple[dict[str, object], ...] = described(
        "What alarms: e_bank, class_prior and error_rate, which share the budget, or a name such as adwin or any other "
        "of River's, and its parameters.",
        default_factory=lambda: ({"name": "e_bank"}, {"name": "class_prior"}, {"name": "error_rate"}),
        max_length=16,
    )
    false_alarms_per_month: float = described(
        "Budget of false alarms, on average at most, at the source's rate.", default=1.0, ge=1e-4, le=10_000
    )
    dead_band: float = described(
        "Shift of a signal, in standard deviations, that does not count.", default=0.1, ge=0.0, le=2.0
    )
    window_effective: int = described(
        "Independent frames in a verdict, which measures how far production is from the reference.",
        default=200,
        ge=50,
        le=100_000,
    )
    witness: dict[str, object] | None = described(
        "What tells when a signal changed and when it recovered; it never triggers. None for none.",
        default_factory=lambda: {"name": "adwin", "delta": 0.002},
    )
    commissioning: CommissioningConfig = described("The first time on a site.", default_factory=CommissioningConfig)
    confirm_windows: int = described("Verdicts that must differ before a request.", default=2, ge=1, le=100)
    cooldown_s: float = described("Seconds from one request to the next, at least.", default=86400.0, ge=0, le=1e9)

    def __post_init__(self) -> None:
        """Refuse a detector without a name."""
        for position, detector in enumerate(self.detectors):
            if not isinstance(detector.get("name"), str):
                raise FieldError(f"detectors[{position}].name", f"{detector.get('name')!r}", "a name such as adwin")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationConfig:
    """Learning from labelled feedback on the device."""

    learner: dict[str, object] = described(
        "What learns: a name such as delta_rule, and its parameters.", default_factory=lambda: {"name": "delta_rule"}
    )
    held_out_every: int = described("One of so many labels judges and never trains.", default=3, ge=2, le=20)
    buffer: int = described("Labels that judge, at most: held out, and the last ones.", default=90, ge=12, le=10_000)
    judge_every: int = described("Learnt labels from one judgement to the next.", default=16, ge=1, le=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesConfig:
    """Inputs worth labelling that may leave the device; off unless asked for."""

    enabled: bool = described("Whether inputs may leave the device.", default=False)
    budget_per_day: int = described("Largest number of samples in a day.", default=200, ge=0, le=1_000_000)
    rate_hz: float = described("Largest rate.", default=5.0, ge=0.001, le=1000)
    ring_bytes: int = described("Most memory for inputs that wait to be asked for.", default=4 << 20, ge=0, le=1 << 30)
