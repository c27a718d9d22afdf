"""Progress of long work: a bar on a terminal, JSON lines for programs, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

PLAIN_EVERY = 5  # a log gets each fifth step of a loop
PLAIN_COUNTED = 200  # steps, beyond which it is examples or files that are counted


class Progress(Protocol):
    """Who is told how far the work has come."""

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """``done`` of ``total`` steps of a stage are finished."""


class SilentProgress:
    """Tells nobody."""

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Do nothing."""


class JsonProgress:
    """One JSON line for each step."""

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Print it."""
        line = {"stage": stage, "done": done, "total": total, "detail": detail}
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()


class PlainProgress:
    """A line now and then."""

    def __init__(self) -> None:
        self._fifths: dict[str, int] = {}

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Print the first, the last and each fifth step; of stages that count examples, each fifth of the way."""
        if done in (1, total) or self._is_news(stage, done, total, detail):
            sys.stderr.write(f"{stage} {done}/{total} {detail}".rstrip() + "\n")
            sys.stderr.flush()

    def _is_news(self, stage: str, done: int, total: int, detail: str) -> bool:
        if total <= PLAIN_COUNTED:
            return done % PLAIN_EVERY == 0 and bool(done or detail)  # 0 of n without a word is no news
        fifth = 5 * done // total
        is_news = fifth > self._fifths.get(stage, 0)
        self._fifths[stage] = fifth
        return is_news


class BarProgress:
    """A bar for each stage."""

    def __init__(self, bars: Any) -> None:  # noqa: ANN401 - rich.progress.Progress, loaded only on a terminal
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Move the stage's bar."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, detail="")
        self._bars.update(self._tasks[stage], completed=done, total=total, detail=detail)


@contextlib.contextmanager
def progress_shown(form: str) -> Iterator[Progress]:
    """The progress that fits ``form``: auto, json, plain or none."""
    if form == "auto" and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, TextColumn("{task.fields[detail]}"), console=Console(stderr=True)) as bars:
            yield BarProgress(bars)
        return
    forms: dict[str, Callable[[], Progress]] = {"json": JsonProgress, "none": SilentProgress}
    yield forms.get(form, PlainProgress)()
