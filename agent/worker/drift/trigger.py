"""What watches a stream against its profile: thinning, commissioning, e-detectors, witness and verdicts in step.

    every frame        faults are counted; while the correlation is measured, its signals are kept
    one of thin        an independent frame: e-detectors, witness, verdict, or the context that is being learnt
    one of n of these  a verdict closes

The first frames wait until there is a first estimate of their correlation, and are then taken like any other. A held
frame counts as the frame whose answer it repeats: so a stream means the same with gating as without, and what stands
still for long is seen to be correlated for long.

After an alarm a detector says nothing more until a verdict has closed: on a stream that drifts it would alarm again and
again. The first alarm begins a new verdict, so that the next ones are wholly of after it. An alarm while frames are
copies of the one before is about the sensor, and is named so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.config import DriftConfig
from agent.ipc import Verdict
from agent.worker.drift.alarming import Alarming
from agent.worker.drift.commissioning import Commissioning
from agent.worker.drift.contexts import Contexts
from agent.worker.drift.e_detectors import EDetectors, Evidence, shares_of
from agent.worker.drift.faults import Faults, plausible_range
from agent.worker.drift.labels import LateLabels
from agent.worker.drift.port import Alarm
from agent.worker.drift.rate import Rate
from agent.worker.drift.saved import Kind, TriggerState
from agent.worker.drift.seen import Seen
from agent.worker.drift.thinning import FIRST_FRAMES, Thinning
from agent.worker.drift.verdicts import Findings, Sample, VerdictCounter
from agent.worker.drift.witness import open_witness
from agent.worker.pipeline import PipelineResult
from edge_models.errors import ArchiveError
from edge_models.profile import Profile

log = logging.getLogger(__name__)

SAVE_EVERY_S = 600.0  # an SD card bears few writes; a power cut costs at most so much of what was gathered
_MOST_WAITING = 4 * FIRST_FRAMES  # of frames that are refused no correlation can be measured

_NOTHING = Seen()


class Trigger:
    """Watches the frames of one source.

    Args:
        profile: The reference.
        config: What watches.
        rate_hz: Frames in a second; None where only the stream itself tells.

    Raises:
        DetectorError: The configuration names a parameter or a witness that does not exist.
    """

    def __init__(self, profile: Profile, config: DriftConfig, *, rate_hz: float | None = None) -> None:
        self._profile, self._config = profile, config
        self._shares = shares_of(config.detectors)
        self._contexts = Contexts(profile)
        self._detectors = self._fresh_detectors()
        self._witness = open_witness(profile, config.witness)
        self._thinning = Thinning(frames=config.commissioning.decorrelation_frames, ranks_of=self._ranks)
        self._commissioning = Commissioning(config.commissioning)
        self._verdicts = VerdictCounter(profile, size=config.window_effective)
        self._faults, self._labels, self._rate = Faults(), LateLabels(), Rate(rate_hz)
        low, high = plausible_range(profile)
        self._middle, self._reach = (low + high) / 2, (high - low) / 2
        self._waiting: list[Sample] = []
        self._skipped = 0
        self._alarming = Alarming(profile.signals)
        self._kept: Mapping[str, bytes] = {}
        self._unsaved: set[Kind] = set()
        self._now_s = 0.0
        self._save_s: float | None = None

    @property
    def thin(self) -> int:
        """One of so many frames counts as independent."""
        return self._thinning.thin

    @property
    def is_commissioned(self) -> bool:
        """Whether commissioning is over."""
        return self._commissioning.is_over

    def update(self, x: NDArray[Any], result: PipelineResult, position: int, now_s: float) -> Seen:
        """Take one frame.

        Args:
            x: As the source delivered it.
            result: What the pipeline made of it.
            position: In its source.
            now_s: Monotonic time of it.
        """
        self._now_s = now_s
        self._commissioning.tick(now_s)
        self._rate.tick(now_s)
        sample = self._sample(x, result, position)
        if not self._thinning.is_known:
            return self._wait(sample)
        if self._thinning.collect(sample.values, self._now_s):
            self._set_budget()
        return self._counted(sample)

    def on_label(self, *, is_right: bool, position: int) -> tuple[Alarm, ...]:
        """Take the true class of an answer: whether it was right."""
        self._labels.add(is_right=is_right)
        return tuple(self._alarms(self._detectors.on_label(is_wrong=not is_right), None, position))

    def reset(self, *, learn: str | None = None, forget: bool = False) -> None:
        """A new normal starts now.

        Args:
            learn: Name of a context that what comes next is learnt as; None to learn none.
            forget: Whether the contexts learnt before go.
        """
        self._contexts.stop()
        if forget and self._contexts.forget():
            self._unsaved.add("contexts")
        self._begin()
        if learn is not None:
            self._contexts.learn(learn)
        self._unsaved.add("trigger")

    def collect_evidence(self, *, on: bool) -> None:
        """Start merging verdicts into an evidence sketch from nothing, or stop."""
        self._verdicts.collect_evidence(on=on)

    def unsaved(self, *, at_once: bool = False) -> list[tuple[Kind, bytes]]:
        """What a later worker needs and has changed; what changes always every ten minutes and on events.

        Args:
            at_once: The worker ends: all that changed since.
        """
        self._save_s = self._now_s + SAVE_EVERY_S if self._save_s is None else self._save_s
        if at_once or self._now_s >= self._save_s:
            self._unsaved.add("trigger")
        kinds, self._unsaved = sorted(self._unsaved), set()
        if "trigger" in kinds:
            self._save_s = self._now_s + SAVE_EVERY_S
        return [(kind, self._contexts.save() if kind == "contexts" else self._state()) for kind in kinds]

    def restore(self, kind: Kind, body: bytes, now_s: float) -> None:
        """Go on with what an earlier worker knew; what cannot be read is logged, and this begins anew."""
        try:
            if kind == "contexts":
                self._contexts.restore(body)
                self._detectors = self._fresh_detectors()
                self._detectors.restore(self._kept)
            else:
                self._take_up(TriggerState.from_bytes(body), now_s)
        except ArchiveError as exc:
            log.warning("drift begins anew kind=%s reason=%s", kind, exc)
        self._set_budget()

    def _take_up(self, state: TriggerState, now_s: float) -> None:
        self._thinning.restore(state.thin, state.commissioned or None, now_s)
        self._commissioning.restore(
            n_effective=state.n_effective, elapsed_s=state.elapsed_s, has_verdict=state.has_verdict
        )
        if state.profile == self._profile.id:
            self._kept = state.detectors
            self._detectors.restore(state.detectors)

    def _state(self) -> bytes:
        return TriggerState(
            profile=self._profile.id,
            thin=self._thinning.thin,
            commissioned=self._thinning.commissioned or 0,
            n_effective=self._commissioning.n_effective,
            elapsed_s=self._commissioning.elapsed_s,
            has_verdict=self._commissioning.has_verdict,
            detectors=self._detectors.save(),
        ).to_bytes()

    def _sample(self, x: NDArray[Any], result: PipelineResult, position: int) -> Sample:
        values = result.signals
        is_out = values is not None and not bool((np.abs(values - self._middle) <= self._reach).all())  # nor a NaN
        self._faults.look(x, is_refused=values is None, is_out_of_range=is_out)
        health = (values is None, is_out)
        return Sample(
            position=position,
            values=values,
            predicted=result.predicted,
            calibrated=result.calibrated,
            health=health,
        )

    def _wait(self, sample: Sample) -> Seen:
        """Keep a frame until the correlation is known, then take all that wait."""
        self._waiting.append(sample)
        known = self._thinning.collect(sample.values, self._now_s)
        if not known and len(self._waiting) < _MOST_WAITING:
            return _NOTHING
        if not known:
            self._thinning.assume_independent()
        waiting, self._waiting = self._waiting, []
        self._set_budget()
        alarms: list[Alarm] = []
        verdict: Verdict | None = None
        for each in waiting:
            seen = self._counted(each)
            alarms += seen.alarms
            verdict = seen.verdict or verdict
        return Seen(alarms=tuple(alarms), verdict=verdict)

    def _counted(self, sample: Sample) -> Seen:
        self._verdicts.count(sample.position)
        self._skipped += 1
        if self._skipped < self._thinning.thin:
            return _NOTHING
        self._skipped = 0
        return self._weighed(sample)

    def _weighed(self, sample: Sample) -> Seen:
        """An independent frame."""
        alarms: list[Alarm] = []
        was_commissioned = self._commissioning.is_over
        self._commissioning.n_effective += 1
        was_learning = self._contexts.is_learning
        if was_learning:
            if sample.values is not None and self._contexts.add(sample.values, sample.predicted):
                self._on_learnt()
                return _NOTHING
        else:
            evidence, ranks = self._detectors.update(sample.values, sample.predicted, sample.health)
            alarms = self._alarms(evidence, sample, sample.position)
            if self._witness is not None and ranks is not None:
                self._witness.update(ranks, sample.position)
        if alarms and self._alarming.begins():
            self._verdicts.restart()
            self._unsaved.add("trigger")
            return Seen(alarms=tuple(alarms))
        verdict = self._verdict(was_learning=was_learning) if self._verdicts.add(sample) else None
        if self._commissioning.is_over and not was_commissioned:
            self._unsaved.add("trigger")
        return Seen(alarms=tuple(alarms), verdict=verdict) if alarms or verdict is not None else _NOTHING

    def _alarms(self, evidence: Sequence[Evidence], sample: Sample | None, position: int) -> list[Alarm]:
        arrives = not (self._commissioning.is_over or self._commissioning.has_verdict)
        return self._alarming.alarms(
            evidence, sample, position, repeats=self._faults.repeats, thin=self._thinning.thin, arrives=arrives
        )

    def _verdict(self, *, was_learning: bool) -> Verdict:
        findings = Findings(
            thin=self._thinning.thin,
            commissioned=self._commissioning.is_over,
            is_learning=was_learning,
            attribution=self._alarming.on_verdict(),
            changed_at=None if self._witness is None else self._witness.changed_at,
            faults=self._faults.take(),
            labelled=self._labels.n,
            labelled_accuracy=self._labels.accuracy,
        )
        self._commissioning.has_verdict = self._commissioning.has_verdict or not was_learning
        self._set_budget()
        return self._verdicts.close(self._contexts.known, findings)

    def _on_learnt(self) -> None:
        log.info("context learnt names=%s", ",".join(context.name for context in self._contexts.known))
        self._begin()
        self._unsaved |= {"contexts", "trigger"}

    def _begin(self) -> None:
        """Everything that was gathered about the stream goes; what is known of the site stays."""
        self._detectors = self._fresh_detectors()
        self._set_budget()
        self._verdicts.forget()
        self._labels.forget()
        self._alarming.forget()
        if self._witness is not None:
            self._witness.reset()

    def _ranks(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._detectors.ranks(values)  # of the detectors in use: they change when a context is learnt

    def _fresh_detectors(self) -> EDetectors:
        return EDetectors(
            self._shares,
            self._profile,
            self._contexts.known,
            dead_band=self._config.dead_band,
            false_alarms_per_month=self._config.false_alarms_per_month,
        )

    def _set_budget(self) -> None:
        self._detectors.set_budget(self._rate.rate_hz, self._thinning.thin)
