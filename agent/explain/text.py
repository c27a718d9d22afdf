"""A story as text: what happened, what changed, what it may cost, what was done. Decides words and order only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.core.severity import CLASSES
from agent.explain.story import Ask, Moment, Reading, Story, Turn, largest
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
_SIGNS = {
    "answered": "a bundle that answers the request is being installed",
    "unanswered": "the answer was no good here",
    "committed": "another bundle was committed: the episode is over",
    "dismissed": "an operator dismissed it",
    "benign": "an operator called it harmless",
    "rebaselined": "an operator took the present input as normal",
    "restarted": "the agent started again",
}
_WAITS = {
    "commissioning": "requests are held until the device has been on its site for long enough",
    "cooldown": "the last request was not long ago",
    "benign": "an operator called this drift harmless",
    "known": "it was asked for before",
    "faults": "the frames themselves are faulty",
}
_CLEAR_SHIFT = 0.1  # of the mean rank; below, a signal has rather spread than moved


def told(story: Story) -> str:
    """The story in paragraphs, without a newline at its end."""
    return "\n".join(_lines(story))


def _lines(story: Story) -> Iterator[str]:
    yield story.title + (f", from {story.began}" if story.began else "")
    if story.is_empty:
        yield "nothing drifted: no alarm, no verdict, no request"
        return
    yield from _outcome(story)
    yield from ("", *_happened(story))
    for part in (_changed(story), _cost(story), _faulty(story)):
        lines = list(part)
        yield from ("", *lines) if lines else ()


def _outcome(story: Story) -> Iterator[str]:
    traits, worst = story.traits, story.worst
    if worst is None:
        yield f"{_plural(len(story.alarms), 'alarm')}, and no verdict yet on how far production is from the reference"
    else:
        level = f"{traits.level} drift" if traits.level else "no drift is confirmed"
        yield (
            f"{level}: the largest effect was {worst.severity:.2f} "
            "(0 is the training data, 1 is nothing in common with it)"
        )
    if traits.on_arrival:
        yield "the device was never like its reference: accept it with cmd/rebaseline, or let it ask for a model"
    elif traits.changed_at is not None:
        yield f"it began about frame {traits.changed_at}"
    if traits.known is not None:
        harmless = ", which an operator called harmless" if traits.is_benign else ""
        yield f"it resembles {traits.known}{harmless}"
    open_request = "no request is open" if story.open_request is None else f"request {story.open_request} is open"
    yield f"now: {story.state}; {open_request}"
    if traits.waits_for:
        yield f"no model is asked for yet: {_WAITS.get(traits.waits_for, traits.waits_for)}"
    elif not traits.is_commissioned:
        yield f"still commissioning: {_WAITS['commissioning']}"


def _happened(story: Story) -> Iterator[str]:
    yield "what happened"
    turns = list(story.turns)
    asked = {ask.frame: ask for ask in story.asks}
    if len(turns) > MOST_TURNS:
        half = MOST_TURNS // 2
        yield from (_turn(turn, asked) for turn in turns[:half])
        yield f"  ({len(turns) - 2 * half} more)"
        turns = turns[-half:]
    yield from (_turn(turn, asked) for turn in turns)
    if not turns:
        yield "  the state never changed"


def _turn(turn: Turn, asked: Mapping[int, Ask]) -> str:
    said = _SIGNS.get(turn.sign) or _STATES.get(turn.state, turn.state)
    parts = [f"{_moment(turn)}  {said}"]
    by = f", seen by {turn.detector}" if turn.detector else ""
    if turn.signal is not None:
        parts.append(f"{named(turn.signal)}{by}")
    if turn.severity is not None:
        parts.append(f"effect {turn.severity:.2f}")
    if turn.state == "requested" and turn.frame in asked:
        parts.append(f"request {asked[turn.frame].id}")
    if turn.note:
        parts.append(turn.note)
    return "; ".join(parts)


def _moment(moment: Moment) -> str:
    return f"  frame {moment.frame:<8d} {duration(moment.at_s):>12}"


def _changed(story: Story) -> Iterator[str]:
    traits = story.traits
    if not traits.effects:
        return
    yield "what changed (effect at the worst verdict)"
    for name, effect in largest(traits.effects, TOP_SIGNALS):
        yield f"  {effect:6.2f}  {_direction(traits.signature.get(name))}{named(name)}"
    worst = story.worst
    by_class = [each.class_effect for each in story.readings if each.class_effect is not None]
    if by_class and CLASSES not in traits.effects:
        yield f"  {max(by_class):6.2f}  predicted classes, all together, at most"
    if traits.attribution:
        shares = (f"{name} {percent(share)}" for name, share in largest(traits.attribution, TOP_SIGNALS))
        yield f"  the alarm is driven by {', '.join(shares)}"
    if worst is not None and worst.context:
        yield f"  nearest context: {worst.context}"
    if traits.thin > 1:
        yield f"  one of {traits.thin} frames counts as independent: neighbours resemble each other"


def _direction(shift: float | None) -> str:
    """Which way a signal went; nothing where it spread or went both ways."""
    if shift is None or abs(shift) < _CLEAR_SHIFT:
        return ""
    return "higher " if shift > 0 else "lower "


def _cost(story: Story) -> Iterator[str]:
    estimated = [each for each in story.readings if each.accuracy is not None]
    labelled = [each.labelled_accuracy for each in story.readings if each.labelled_accuracy is not None]
    truths = [each.true_accuracy for each in story.readings if each.true_accuracy is not None]
    if estimated or labelled or truths:
        yield "what it may cost"
    if estimated:
        lowest = min(estimated, key=lambda each: each.accuracy or 0.0)
        reference = story.traits.reference_accuracy
        before = "" if reference is None else f"; {percent(reference)} on the reference"
        yield f"  accuracy perhaps {percent(lowest.accuracy or 0.0)} at frame {lowest.frame}{_interval(lowest)}{before}"
        yield "  an estimate from confidence and signals, not a measurement: a few labels tell more"
    if labelled:
        yield f"  {percent(min(labelled))} of the labelled answers were right at worst"
    if truths:
        yield f"  {percent(min(truths))} of all answers were right at worst, by the labels of the recording"


def _interval(reading: Reading) -> str:
    if reading.accuracy_low is None or reading.accuracy_high is None:
        return ""
    return f" (90 % interval {percent(reading.accuracy_low)} to {percent(reading.accuracy_high)})"


def _faulty(story: Story) -> Iterator[str]:
    faults = {name: float(count) for name, count in story.traits.faults.items() if count}
    if faults:
        yield "faulty frames"
        yield from (f"  {count:6.0f}  {named(fault)}" for fault, count in largest(faults, TOP_SIGNALS))


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
