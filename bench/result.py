"""What a measurement reports."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One bar and how it was met.

    Attributes:
        id: the bar's name, such as ``P1``.
        work: what was measured.
        against: what it was measured against.
        figure: the measured figure, for people.
        bar: what it has to be, for people.
        met: whether it is.
        details: everything that was measured, for ``latest.json``.
    """

    id: str
    work: str
    against: str
    figure: str
    bar: str
    met: bool
    details: dict[str, Any] = field(default_factory=dict)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest of repeated measurements."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
        "rounds": len(values),
    }


def shown(values: Sequence[float], unit: str = "") -> str:
    """Return the median with its spread, as text."""
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"
