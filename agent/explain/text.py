"""A story as text: what happened, what changed, what it may cost, what was done. Decides words and order only."""

from __future__ import annotations

from collections.abc import Iterator

from agent.explain.story import Reading, Story, Turn, largest, level_of
from agent.explain.wording import duration, named, percent

TOP_SIGNALS = 5
MOST_TURNS = 40
_STATES = {
    "ok": "back to normal",
    "suspect": "an alarm: something may have changed",
    "confirmed": "confirmed: two verdicts in a row are beyond what chance explains",
    "requested": "a better model was asked for",
    "recovered": "production is again what the model knows",
}


def told(story: Story) -> str:
    """The story in paragraphs, without a newline at its end."""
    return "\n".join(_lines(story))


def _lines(story: Story) -> Iterator[str]:
    yield story.title + (f", from {story.began}" if story.began else "")
    if story.is_empty:
        yield "nothing drifted: no alarm, no verdict beyond the reference, no request"
        return
    yield from _outcome(story)
    yield ""
    yield from _happened(story)
    reading = story.deciding
    if reading is not None:
        yield ""
        yield from _changed(story, reading)
        yield from _cost(story)
    if story.faults:
        yield ""
        yield "faulty frames"
        yield from (f"  {count:6d}  {named(fault)}" for fault, count in largest(story.faults, TOP_SIGNALS))


def _outcome(story: Story) -> Iterator[str]:
    reading = story.deciding
    if reading is None:
        yield f"{_plural(len(story.alarms), 'alarm')}, and no verdict yet on how far production is from the reference"
        return
    severity = max(each.severity for each in story.readings)
    yield (
        f"{level_of(severity)} drift: the largest effect was {severity:.2f} "
        "(0 is the training data, 1 is nothing in common with it)"
    )
    began = story.changed_at
    if began is not None:
        yield f"it began about frame {began}, as the witness saw it"
    state = story.turns[-1].state if story.turns else "ok"
    if story.open_request:
        yield f"now: {state}; request {story.open_request} waits for an answer"
    else:
        yield f"now: {state}; no request is open"


def _happened(story: Story) -> Iterator[str]:
    yield "what happened"
    left_out = max(0, len(story.turns) - MOST_TURNS)
    for turn in story.turns[: MOST_TURNS // 2] if left_out else story.turns:
        yield _turn(turn)
    if left_out:
        yield f"  ({left_out} more changes of state)"
        yield from (_turn(turn) for turn in story.turns[-MOST_TURNS // 2 :])
    for ask in story.asks:
        yield f"  frame {ask.frame:<8d} request {ask.id}: {ask.reason}" + (f", {ask.signal}" if ask.signal else "")
    if not story.turns and not story.asks:
        yield "  the state never changed"


def _turn(turn: Turn) -> str:
    said = _STATES.get(turn.state, turn.state)
    parts = [f"  frame {turn.frame:<8d} {duration(turn.at_s):>12}  {said}"]
    if turn.signal is not None:
        by = f", seen by {turn.detector}" if turn.detector else ""
        parts.append(f"{named(turn.signal)}{by}")
    elif turn.detector:
        parts.append(f"seen by {turn.detector}")
    if turn.severity is not None:
        parts.append(f"effect {turn.severity:.2f}")
    if turn.note:
        parts.append(turn.note)
    return "; ".join(parts)


def _changed(story: Story, reading: Reading) -> Iterator[str]:
    yield f"what changed (verdict at frame {reading.frame}, {reading.n_effective} independent frames)"
    for name, effect in largest(reading.effects, TOP_SIGNALS):
        yield f"  {effect:6.2f}  {named(name)}"
    if reading.class_effect is not None:
        yield f"  {reading.class_effect:6.2f}  predicted classes, all together"
    if reading.attribution:
        shares = (f"{name} {percent(share)}" for name, share in largest(reading.attribution, TOP_SIGNALS))
        yield f"  driven by {', '.join(shares)}"
    if reading.context:
        yield f"  nearest context: {reading.context}"
    if story.thin > 1:
        yield f"  one of {story.thin} frames counts as independent: neighbours resemble each other"


def _cost(story: Story) -> Iterator[str]:
    reading = min(
        (each for each in story.readings if each.accuracy is not None),
        key=lambda each: each.accuracy or 0.0,
        default=None,
    )
    labelled = [each.labelled_accuracy for each in story.readings if each.labelled_accuracy is not None]
    truths = [each.true_accuracy for each in story.readings if each.true_accuracy is not None]
    if reading is None and not labelled and not truths:
        return
    yield ""
    yield "what it may cost"
    if reading is not None and reading.accuracy is not None:
        interval = ""
        if reading.accuracy_low is not None and reading.accuracy_high is not None:
            interval = f" (90 % interval {percent(reading.accuracy_low)} to {percent(reading.accuracy_high)})"
        reference = story.reference_accuracy
        before = "" if reference is None else f"; {percent(reference)} on the reference"
        yield f"  accuracy perhaps {percent(reading.accuracy)} at frame {reading.frame}{interval}{before}"
        yield "  an estimate from confidence and signals, not a measurement: a few labels tell more"
    if labelled:
        yield f"  {percent(min(labelled))} of the labelled answers were right at worst"
    if truths:
        yield f"  {percent(min(truths))} of all answers were right at worst, by the labels of the recording"


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
