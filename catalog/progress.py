"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

_LINE_SECONDS = 5.0


class Lines(Protocol):
    """What lines can be written to: a file, or Django's wrapper of one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Progress:
    """Says nothing; the base of those that do."""

    def begin(self, title: str, total: float | None, *, shows_rate: bool) -> None:
        """Start a piece of work.

        Args:
            total: its units, or ``None`` where nobody knows them beforehand.
            shows_rate: whether units done, and units a second, mean something to a reader.
        """

    def update(self, done: float) -> None:
        """Report the units that are done, in all."""

    def end(self) -> None:
        """Finish the piece of work; safe to call when none is under way."""

    def say(self, line: str) -> None:
        """Tell something that is worth knowing now; for use between pieces of work."""


def shown_on(stream: Lines) -> Progress:
    """Return a bar if ``stream`` is a command's standard output and that is a terminal, and else lines."""
    if getattr(stream, "isatty", lambda: False)():
        # Django's wrapper ends each write with a newline, which a bar that redraws itself cannot bear.
        return BarProgress(sys.stdout)
    return LineProgress(stream)


class LineProgress(Progress):
    """Writes a line every few seconds, for logs and pipes."""

    def __init__(self, stream: Lines) -> None:
        self._stream = stream
        self._title = ""

    def begin(self, title: str, total: float | None, *, shows_rate: bool) -> None:
        self._title, self._total, self._shows_rate = title, total, shows_rate
        self._started = self._said = time.monotonic()

    def say(self, line: str) -> None:
        self._stream.write(line + "\n")

    def update(self, done: float) -> None:
        now = time.monotonic()
        if now - self._said < _LINE_SECONDS or done <= 0:
            return
        self._said = now
        rate = done / (now - self._started)
        if self._total is None:
            line = f"{self._title}: {done:,.0f}, {rate:,.0f} a second" if self._shows_rate else self._title
        else:
            figures = f", {done:,.0f} of {self._total:,.0f}, {rate:,.0f} a second" if self._shows_rate else ""
            line = f"{self._title}: {done / self._total:.0%}{figures}, {(self._total - done) / rate:,.0f} s left"
        self._stream.write(line + "\n")
        self._stream.flush()


class BarProgress(Progress):
    """Draws a bar with rate and time left on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._bar: RichProgress | None = None

    def begin(self, title: str, total: float | None, *, shows_rate: bool) -> None:
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn()]
        if total is not None:
            columns.append(TextColumn("{task.percentage:>3.0f} %"))
        if shows_rate:
            columns.append(_RateColumn())
        self._bar = RichProgress(*columns, TimeRemainingColumn(), console=self._console)
        self._task = self._bar.add_task(title, total=total)
        self._bar.start()

    def update(self, done: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def end(self) -> None:
        if self._bar is not None:
            if self._bar.tasks[0].total is None:
                self._bar.update(self._task, total=1, completed=1)
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        total = "" if task.total is None else f" of {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{total}" + (f", {speed:,.0f} a second" if speed else ""))
