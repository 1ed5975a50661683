"""How the way of an answer is told to people: sources in words, durations, ages, and a waterfall of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cachelayer.engine import Cached
from cachelayer.outcomes import Outcome
from cachelayer.trace import Span, Trace, current_trace

BAR_WIDTH = 1000.0
"""Width of a waterfall in the units of its drawing."""
_MINIMUM_BAR = 4.0


class Heat(Enum):
    """How warm an answer was; the values name CSS classes and icons are chosen by them."""

    HOT = "hot"
    STALE = "stale"
    COLD = "cold"
    BYPASS = "bypass"
    NONE = "none"


_HEAT = {
    Outcome.L1_HIT: Heat.HOT,
    Outcome.REDIS_HIT: Heat.HOT,
    Outcome.NEGATIVE_HIT: Heat.HOT,
    Outcome.STALE: Heat.STALE,
    Outcome.STALE_ON_ERROR: Heat.STALE,
    Outcome.WAITED: Heat.COLD,
    Outcome.MISS: Heat.COLD,
    Outcome.BYPASS: Heat.BYPASS,
}
_HEAT_LABELS = {
    Heat.HOT: "hit",
    Heat.STALE: "stale hit",
    Heat.COLD: "miss",
    Heat.BYPASS: "bypass, Redis away",
    Heat.NONE: "no cached read",
}
_HEAT_ICONS = {
    Heat.HOT: "flame",
    Heat.STALE: "hourglass",
    Heat.COLD: "database",
    Heat.BYPASS: "unplug",
    Heat.NONE: "activity",
}
_SOURCE_LABELS = {
    "L1_CACHE": "Process memory (L1)",
    "REDIS_CACHE": "Redis cache",
    "STALE_CACHE": "Redis cache, stale copy",
    "MONGODB": "MongoDB",
    "ML_ENGINE": "Recommendation model",
    "CATEGORY_FALLBACK": "Same category, no model",
}
_STEP_LABELS = {
    "redis": "Redis",
    "mongodb": "MongoDB",
    "lease": "Lease",
    "lease-wait": "Lease wait",
    "load": "Load",
    "decode": "Decode",
    "plan": "Plan",
    "represent": "Represent",
    "render": "Render",
    "ratelimit": "Rate limit",
    "trending": "Trending",
    "telemetry": "Telemetry",
    "view": "View",
    "framework": "Framework",
    "compress": "Compress",
    "invalidate": "Invalidate",
}


def heat_of(outcome: Outcome | None) -> Heat:
    """Return how warm an answer of this outcome is."""
    return Heat.NONE if outcome is None else _HEAT[outcome]


def heat_of_source(source: str) -> Heat:
    """Return how warm answers of a ``source`` are."""
    match source:
        case "L1_CACHE" | "REDIS_CACHE":
            return Heat.HOT
        case "STALE_CACHE":
            return Heat.STALE
        case "":
            return Heat.NONE
    return Heat.COLD


def heat_label(heat: Heat) -> str:
    """Return the heat in words, such as ``hit``."""
    return _HEAT_LABELS[heat]


def source_label(source: str) -> str:
    """Return the words for a ``source`` such as ``L1_CACHE``; empty for none."""
    return _SOURCE_LABELS.get(source, source.replace("_", " ").capitalize())


def format_ms(milliseconds: float) -> str:
    """Return a duration with its unit in about three significant digits."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    if milliseconds >= 100:
        return f"{milliseconds:.0f} ms"
    if milliseconds >= 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.2f} ms"


def format_age(seconds: float) -> str:
    """Return an age in its largest unit, such as ``12 s`` or ``4 min``."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def format_bytes(size: float) -> str:
    """Return a size with its unit in about three significant digits, in powers of 1024."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def format_rate(per_second: float) -> str:
    """Return events a second, or a minute where they are rare, in about three significant digits, with the unit."""
    if per_second >= 100:
        return f"{per_second:,.0f} per s"
    if per_second >= 1:
        return f"{per_second:.1f} per s"
    return f"{per_second * 60:.1f} per min"


def format_long(seconds: float) -> str:
    """Return a sum of time in its largest unit, with one decimal, such as ``3.4 min``."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return format_ms(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Step:
    """A bar of a waterfall: times in ms, places in units of :data:`BAR_WIDTH`."""

    name: str
    label: str
    duration: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer came from, for a line of text and a waterfall.

    Attributes:
        source: as the API tells it, such as ``L1_CACHE``.
        label: the same in words.
        heat: name of its look.
        icon: the icon that stands for the heat.
        outcome: as in the ``X-Cache`` header.
        key: the cache key, or empty.
        age: when the value was loaded, in words; empty where it was loaded for this answer.
        elapsed: from the request's arrival until the answer was there, before rendering.
        steps: what happened in that time, in order of start.
    """

    source: str
    label: str
    heat: str
    icon: str
    outcome: str
    key: str
    age: str
    elapsed: str
    steps: tuple[Step, ...]


def provenance_of(answer: Cached, *, key: str = "") -> Provenance:
    """Describe how ``answer`` was found, as of now."""
    heat = heat_of(answer.outcome)
    trace = current_trace()
    return Provenance(
        source=answer.source,
        label=source_label(answer.source),
        heat=heat.value,
        icon=_HEAT_ICONS[heat],
        outcome=answer.outcome.header,
        key=key,
        age="" if heat in (Heat.COLD, Heat.BYPASS) else f"stored {_ago(answer.age_seconds)}",
        elapsed=format_ms(trace.elapsed_ms()) if trace else "",
        steps=waterfall(trace) if trace else (),
    )


def _ago(seconds: float) -> str:
    return f"{format_age(seconds)} ago" if seconds >= 1 else "just now"


def waterfall(trace: Trace) -> tuple[Step, ...]:
    """Return the finished steps of a request as bars on one scale, the request's time so far."""
    total_ms = max(trace.elapsed_ms(), 0.001)
    return tuple(_step(span, total_ms) for span in sorted(trace.spans, key=lambda span: span.start_ms))


def step_label(name: str) -> str:
    """Return the words for a span's name."""
    return _STEP_LABELS.get(name, name.capitalize())


def _step(span: Span, total_ms: float) -> Step:
    width = max(span.duration_ms / total_ms * BAR_WIDTH, _MINIMUM_BAR)
    x = min(max(span.start_ms / total_ms, 0.0) * BAR_WIDTH, BAR_WIDTH - width)
    return Step(
        name=span.name,
        label=f"{step_label(span.name)} {span.detail}".strip(),
        duration=format_ms(span.duration_ms),
        x=round(max(x, 0.0), 1),
        width=round(min(width, BAR_WIDTH), 1),
    )
