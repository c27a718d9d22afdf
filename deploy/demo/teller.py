"""How the demo speaks: chapters with their times, and one moving line on a terminal (plain lines elsewhere)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console

MonotonicClock = Callable[[], float]
PLAIN_EVERY_S = 10.0  # a log file gets a progress line this often


class Teller:
    """Prints what happens, and remembers how long each chapter took.

    Attributes:
        seconds: Duration of each finished chapter by its key.
    """

    def __init__(self, console: Console, clock: MonotonicClock) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._clock = clock
        self._start = clock()
        self._status = console.status("", spinner="dots") if console.is_terminal else None
        self._plain_at = 0.0

    @contextlib.contextmanager
    def chapter(self, key: str, title: str) -> Iterator[None]:
        """Time one part of the story."""
        self._console.print(f"[bold]{title}[/bold]")
        started = self._clock()
        self._plain_at = started
        try:
            with self._status or contextlib.nullcontext():
                yield
        finally:
            self.seconds[key] = round(self._clock() - started, 2)

    def note(self, text: str) -> None:
        """One thing that happened, with the second at which it did."""
        self._console.print(f"  {self.elapsed_s:5.0f} s  {text}", highlight=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        """What is going on; replaces the line before on a terminal."""
        if self._status is not None:
            self._status.update(text)
        elif self._clock() - self._plain_at >= PLAIN_EVERY_S:
            self._plain_at = self._clock()
            self._console.print(f"  {self.elapsed_s:5.0f} s  ... {text}", highlight=False, soft_wrap=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the story began."""
        return self._clock() - self._start

    def print(self, thing: object) -> None:
        """Print a table or a closing line."""
        self._console.print(thing)
