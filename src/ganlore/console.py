"""Progress of long work: a bar on a terminal, occasional plain lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from ganlore import formatting

INTERVAL = 10.0
"""Seconds between two lines in a log."""

LONG = 600.0
"""Seconds of training from which a run on the CPU prints a forecast."""

MEASURED = 3.0
"""Seconds of steps that the forecast is based on."""

INTERRUPTED = "interrupted; finished work is kept, and the next start continues from it"


class Progress:
    """Progress over a known number of steps.

    Args:
        title: the name of the work.
        total: number of steps.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title = title
        self.total = total
        self._start = time.monotonic()
        self._last = self._start
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True))
            self._task = self._bar.add_task(self.title, total=self.total)
            self._bar.start()
        return self

    def update(self, done: int, note: str = "") -> None:
        """Show the number of completed steps."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=f"{self.title} {note}")
        elif now - self._last >= INTERVAL:
            self._last = now
            left = (now - self._start) * (self.total - done) / max(done, 1)
            say(f"{self.title}: {done}/{self.total}, about {left:.0f} s left {note}")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


class Forecast:
    """Prints once how long training will take on the CPU, if that is long.

    Measured without the first step, which is slower than others.

    Args:
        total: number of steps.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._first = 0.0

    def finished(self, done: int) -> bool:
        """Register the number of completed steps; returns whether the forecast is finished."""
        now = time.monotonic()
        if done == 1:
            self._first = now
        spent = now - self._first
        if done < 4 or spent < MEASURED:
            return False
        step = spent / (done - 1)
        left = step * (self.total - done)
        if left > LONG:
            say(
                f"torch finds no GPU, and on the CPU this is slow: {1000 * step:.0f} ms a step, so "
                f"about {formatting.duration(left)} for the {self.total - done} steps that are left"
            )
        return True


def say(text: str) -> None:
    """Print one line to standard error and flush it."""
    print(text, file=sys.stderr, flush=True)
