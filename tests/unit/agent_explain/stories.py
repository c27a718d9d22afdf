"""Stories to tell: a camera that gets dark, and one where nothing happens."""

from __future__ import annotations

from agent.explain.story import AlarmMark, Ask, Reading, Story, Traits, Turn

CALM = Story(title="digits on pi-1", source="episode.json")


def reading(frame: int, severity: float, **other: float) -> Reading:
    return Reading(
        frame=frame,
        at_s=frame / 10,
        n_effective=200,
        severity=severity,
        signal="mean",
        limit=0.19,
        effects={"mean": severity, "std": severity / 2, "temperature": 0.03},
        context="day",
        class_effect=0.04,
        accuracy=other.get("accuracy", 0.93),
        accuracy_low=other.get("accuracy", 0.93) - 0.06,
        accuracy_high=other.get("accuracy", 0.93) + 0.03,
        true_accuracy=0.5,
    )


def darkness(*, frames_apart: int = 200, open_request: str | None = "7f3a") -> Story:
    """Ten verdicts; it gets dark at the sixth, is asked for at the eighth."""
    readings = [reading(frames_apart * (i + 1), 0.05 if i < 5 else 0.62, accuracy=0.93 - 0.05 * i) for i in range(10)]
    alarm, ask = readings[5], readings[7]
    return Story(
        title="digits on pi-1",
        source="episode.json",
        began="2026-11-22T10:00:00Z",
        turns=(
            Turn(frame=alarm.frame, at_s=alarm.at_s, state="suspect", signal="mean", detector="e_bank"),
            Turn(frame=ask.frame, at_s=ask.at_s, state="requested", signal="mean", severity=0.62),
        ),
        readings=tuple(readings),
        alarms=(AlarmMark(frame=alarm.frame, at_s=alarm.at_s, signal="mean", detector="e_bank"),),
        asks=(Ask(frame=ask.frame, at_s=ask.at_s, id="7f3a", reason="drift", signal="mean"),),
        state="requested",
        open_request=open_request,
        traits=Traits(
            level="critical",
            changed_at=alarm.frame - 20,
            effects={"mean": 0.62, "std": 0.31, "temperature": 0.03},
            signature={"mean": -0.6, "std": 0.02},
            attribution={"mean": 0.7, "class_3": 0.2, "std": 0.1},
            thin=5,
            faults={"refused": 3, "repeated": 0},
            reference_accuracy=0.94,
        ),
    )
