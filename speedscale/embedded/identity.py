"""Tell a process from a later one that was given the same number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process number with the moment of the process's start, which no later process shares."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of a running process, or ``None`` when it has ended."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            # Without /proc (not Linux) the number alone has to do; with it, the process is gone.
            return None if Path("/proc/self/stat").exists() or not _is_signalable(pid) else cls(pid, "")
        # The command's name stands in parentheses and may itself hold spaces and parentheses.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else cls(pid, f"{_boot()}/{fields[19]}")

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Return what :meth:`__str__` wrote, or ``None`` for anything else."""
        number, _, started = text.strip().partition(" ")
        return cls(int(number), started) if number.isascii() and number.isdigit() else None

    def is_running(self) -> bool:
        """Tell whether this very process still runs."""
        return ProcessIdentity.of(self.pid) == self

    def __str__(self) -> str:
        return f"{self.pid} {self.started}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _is_signalable(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
