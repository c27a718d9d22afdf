"""A story as a picture; the only file that knows matplotlib, which is loaded when a picture is asked for."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from agent.explain.errors import ExplainError
from agent.explain.story import LEVELS, Moment, Story, largest, leading_signals
from agent.explain.wording import named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIGNALS_DRAWN = 5
BARS_DRAWN = 8
_COLOURS = ("#0b6e8f", "#b5552b", "#1c7c4c", "#8a5a00", "#6b4c9a")  # the report's own, then one more
_INK, _DIM, _GRID = "#1b2127", "#5d6770", "#e1e4e0"
_RED = "#b42318"
_STATES = {"suspect": "#fbefd4", "confirmed": "#f7d9c4", "requested": "#fbe4e1", "recovered": "#dff1e6"}
_HOUR_S = 3600.0
_UNITS = (
    (24 * _HOUR_S, "days", 72 * _HOUR_S),
    (_HOUR_S, "hours", _HOUR_S),
    (60.0, "minutes", 120.0),
    (1.0, "seconds", 0.0),
)
"""Seconds in a unit, its name, and the shortest story in seconds that is told in it."""
_EVENTS = ("answered", "committed", "dismissed", "benign", "rebaselined")
_FEW = 64  # verdicts that are still shown one by one


def png(story: Story) -> bytes:
    """The story as a PNG file.

    Raises:
        ExplainError: matplotlib is not installed, or the story has nothing to draw.
    """
    if story.is_empty:
        raise ExplainError(f"{story.source}: found nothing that drifted, expected verdicts or alarms to draw")
    figure = _figure()
    _draw(figure, story)
    target = io.BytesIO()
    figure.savefig(target, format="png", facecolor="white")
    return target.getvalue()


def _figure() -> Figure:
    try:
        from matplotlib.figure import Figure as MatplotlibFigure  # without pyplot: no display, no global state
    except ImportError as exc:
        raise ExplainError(
            f"--plot: found no matplotlib ({exc}), expected it installed; pip install 'driftline[plot]', "
            "or copy the state directory to a machine that has it"
        ) from exc
    return MatplotlibFigure(figsize=(12.5, 8), dpi=110, layout="constrained")


def _draw(figure: Figure, story: Story) -> None:
    grid = figure.add_gridspec(2, 1, height_ratios=(8, 3))  # figures of their own: long names below push no curve aside
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    effects, accuracy = upper.subplots(2, 1, sharex=True, height_ratios=(5, 3))
    clock = _Clock(story)
    _effects(effects, story, clock)
    _accuracy(accuracy, story, clock)
    _bars(lower.subplots(), story)
    figure.suptitle(story.title, fontsize=13, fontweight="bold", color=_INK, x=0.01, ha="left")


class _Clock:
    """Where something stands on the horizontal axis: by frames, or by time where that says more."""

    def __init__(self, story: Story) -> None:
        self._known: list[tuple[int, float]] = [(moment.frame, moment.at_s) for moment in story.moments]
        length_s = max((at_s for _, at_s in self._known), default=0.0)
        self._by_time = length_s > _HOUR_S or not story.has_frames
        self._has_frames = story.has_frames
        self._unit_s, unit = next(one for one in _UNITS if length_s >= one[2])[:2]
        since = f" since {story.began}" if story.began else " since the beginning"
        self.label = f"{unit}{since}" if self._by_time else "frame"

    def __call__(self, moment: Moment) -> float:
        return moment.at_s / self._unit_s if self._by_time else float(moment.frame)

    def of_frame(self, frame: int) -> float | None:
        """The place of a frame whose time was not kept, between its neighbours; None outside of the story."""
        if not self._has_frames:
            return None
        if not self._by_time:
            return float(frame)
        before = [known for known in self._known if known[0] <= frame][-1:]
        after = [known for known in self._known if known[0] >= frame][:1]
        if not before or not after:
            return None
        (frame0, s0), (frame1, s1) = before[0], after[0]
        share: float = 0.0 if frame1 == frame0 else (frame - frame0) / (frame1 - frame0)
        return (s0 + share * (s1 - s0)) / self._unit_s


def _effects(axes: Axes, story: Story, clock: _Clock) -> None:
    _spans(axes, story, clock)
    _curves(axes, story, clock)
    _marks(axes, story, clock)
    for name, least in LEVELS[1:]:
        axes.axhline(least, color=_DIM, linewidth=0.7, linestyle=(0, (2, 3)))
        axes.annotate(name, (1.005, least), xycoords=("axes fraction", "data"), fontsize=8, color=_DIM, va="center")
    axes.set_ylim(0, 1)
    _plain(axes, "effect: distance from the reference")
    if story.readings:
        _legend(axes)
    else:
        axes.annotate("no verdict yet", (0.5, 0.5), xycoords="axes fraction", ha="center", color=_DIM)


def _curves(axes: Axes, story: Story, clock: _Clock) -> None:
    places = [clock(reading) for reading in story.readings]
    marker = "o" if len(places) <= _FEW else ""
    if not any(reading.effects for reading in story.readings):  # a device keeps the largest one only
        heights = [reading.severity for reading in story.readings]
        axes.plot(
            places, heights, color=_COLOURS[0], linewidth=1.6, marker=marker, markersize=3.5, label="largest effect"
        )
    for name, colour in zip(leading_signals(story.readings, SIGNALS_DRAWN), _COLOURS, strict=False):
        heights = [reading.effects.get(name, float("nan")) for reading in story.readings]
        axes.plot(places, heights, color=colour, linewidth=1.6, marker=marker, markersize=3.5, label=named(name))
    classes = [float("nan") if each.class_effect is None else each.class_effect for each in story.readings]
    if any(math.isfinite(value) for value in classes):
        axes.plot(places, classes, color=_DIM, linewidth=1.2, linestyle="--", label="predicted classes")
    limits = [float("nan") if each.limit is None else each.limit for each in story.readings]
    if any(math.isfinite(limit) for limit in limits):
        axes.plot(places, limits, color=_RED, linewidth=0.9, linestyle="--", label="beyond this it counts")


def _marks(axes: Axes, story: Story, clock: _Clock) -> None:
    """What happened at one moment."""
    alarms = [clock(alarm) for alarm in story.alarms]
    if alarms:
        axes.plot(alarms, [0.0] * len(alarms), "^", color=_RED, markersize=7, clip_on=False, label="alarm")
    for turn in story.turns:
        if turn.sign in _EVENTS:
            _mark(axes, clock(turn), turn.sign, _DIM)
    for ask in story.asks:
        _mark(axes, clock(ask), "request", _RED)
    changed_at = story.traits.changed_at
    began = None if changed_at is None else clock.of_frame(changed_at)
    if began is not None:
        _mark(axes, began, "change", _INK)


def _mark(axes: Axes, place: float, text: str, colour: str) -> None:
    axes.axvline(place, color=colour, linewidth=1.2, linestyle=":" if colour != _RED else "-")
    axes.annotate(
        text,
        (place, 0.94),
        xycoords=("data", "axes fraction"),
        fontsize=8,
        color=colour,
        rotation=90,
        va="top",
        ha="right",
    )


def _spans(axes: Axes, story: Story, clock: _Clock) -> None:
    """The state behind the curves, one colour each."""
    ends = [clock(turn) for turn in story.turns[1:]]
    last = max((clock(moment) for moment in story.moments), default=0.0)
    named_already: set[str] = set()
    for turn, end in zip(story.turns, [*ends, last], strict=False):
        colour, start = _STATES.get(turn.state), clock(turn)
        if colour is None or end <= start:
            continue
        label = "" if turn.state in named_already else f"state: {turn.state}"
        axes.axvspan(start, end, color=colour, linewidth=0, zorder=0, label=label)
        named_already.add(turn.state)


def _accuracy(axes: Axes, story: Story, clock: _Clock) -> None:
    estimated = [each for each in story.readings if each.accuracy is not None]
    if estimated:
        places = [clock(each) for each in estimated]
        axes.plot(places, [each.accuracy or 0.0 for each in estimated], color=_COLOURS[0], label="estimated")
        bounded = [each for each in estimated if each.accuracy_low is not None and each.accuracy_high is not None]
        axes.fill_between(
            [clock(each) for each in bounded],
            [each.accuracy_low or 0.0 for each in bounded],
            [each.accuracy_high or 0.0 for each in bounded],
            color="#cfe5ec",
            label="90 % interval",
        )
    _curve(axes, story, clock, "true_accuracy", "by the recording's labels", _INK)
    _curve(axes, story, clock, "labelled_accuracy", "by feedback", _COLOURS[2])
    if story.traits.reference_accuracy is not None:
        axes.axhline(
            story.traits.reference_accuracy, color=_DIM, linewidth=0.8, linestyle="--", label="on the reference"
        )
    axes.set_ylim(0, 1.02)
    _plain(axes, "accuracy")
    axes.set_xlabel(clock.label, fontsize=9, color=_DIM)
    if axes.get_legend_handles_labels()[1]:
        _legend(axes)
    else:
        axes.annotate("no estimate and no labels", (0.5, 0.5), xycoords="axes fraction", ha="center", color=_DIM)


def _curve(axes: Axes, story: Story, clock: _Clock, name: str, label: str, colour: str) -> None:
    known = [(clock(each), getattr(each, name)) for each in story.readings if getattr(each, name) is not None]
    if known:
        places, heights = zip(*known, strict=True)
        axes.plot(places, heights, color=colour, linewidth=1.2, marker=".", markersize=5, label=label)


def _bars(axes: Axes, story: Story) -> None:
    traits = story.traits
    shares = largest(traits.attribution or traits.effects, BARS_DRAWN)
    title = "what raised the alarm, shares of 1" if traits.attribution else "largest effects at the worst verdict"
    names = [named(name) for name, _ in reversed(shares)]
    widths = [share for _, share in reversed(shares)]
    bars = axes.barh(names, widths, color=_COLOURS[0], height=0.7)
    axes.bar_label(bars, fmt="%.2f", fontsize=8, color=_DIM, padding=3)
    axes.set_title(title, fontsize=9, color=_DIM, loc="left")
    axes.set_xlim(0, max([*widths, 0.1]) * 1.1)
    _plain(axes, "")


def _legend(axes: Axes) -> None:
    """Beside the curves, never on them."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.055, 1.0), fontsize=8, frameon=False, borderaxespad=0)


def _plain(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, fontsize=9, color=_DIM)
    axes.tick_params(labelsize=8, colors=_DIM, length=3)
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_GRID)
