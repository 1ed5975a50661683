"""The lines that a start prints: what was done, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

_WIDTH = 64


class Output(Protocol):
    """Where lines go: a stream, or a management command's wrapper of one."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Report:
    """Writes a line for each finished step, with its duration in seconds."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def say(self, text: str = "") -> None:
        """Write a line at once."""
        # A terminal that has gone must not keep the servers from being stopped.
        with suppress(OSError):
            self._output.write(f"{text}\n")
            self._output.flush()

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """Time a step and write its line when it has succeeded; the step may still change the text."""
        step = Step(text)
        started = time.perf_counter()
        yield step
        self.say(f"  {step.text:<{_WIDTH}} {time.perf_counter() - started:6.1f} s")


class Step:
    """A step under way; ``text`` is what its line will say."""

    def __init__(self, text: str) -> None:
        self.text = text
