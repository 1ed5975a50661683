"""What each kind of cached value costs and saves, and what another time to live would change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

from django.conf import settings

from cachelayer.dashboard.history import Filters, matching, store_reader
from cachelayer.dashboard.predicting import Reference, Shares, measured, predicted, references_of
from cachelayer.policies import Policy, all_policies
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced
from cachelayer.telemetry import LOG_LENGTH, Sample, Window
from cachelayer.web.presentation import format_age, format_bytes, format_long, format_ms

TTL_CHOICES = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1800, 3600)
_MEASURED_KEYS = 200
_SCANNED_KEYS = 5000
_KEEP_SECONDS = 20.0
_CHART_WIDTH = 600
_CHART_HEIGHT = 200


@dataclass(frozen=True, slots=True)
class KindMemory:
    """Keys of one kind in Redis: how many, and their bytes, estimated from some of them."""

    keys: int
    memory: float


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of value: what it saved in the window, and what it takes."""

    kind: str
    reads: str
    hit_ratio: str
    hit_share: str
    load: str
    saved: str
    documents: str
    keys: str
    memory: str
    worth: str
    policy: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the curve, in the units of the drawing."""

    x: str
    y: str
    title: str
    chosen: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the reads of a kind would have met with another time to live.

    Attributes:
        place: of the chosen time among :data:`TTL_CHOICES`.
        rows: fresh, stale and missed: as measured, replayed with the rules in force, and with the chosen time.
        error: how far the replay is off with the rules in force, in percentage points of fresh hits.
    """

    kind: str
    kinds: tuple[str, ...]
    place: int
    last_place: int
    ttl: str
    current_ttl: str
    reads: str
    span: str
    rows: tuple[tuple[str, str, str, str], ...]
    error: str
    effect: str
    points: tuple[CurvePoint, ...]
    line: str
    measured_y: str
    complete: bool


_known: dict[str, tuple[float, Any]] = {}


def memory_by_kind() -> dict[str, KindMemory] | None:
    """Estimate how much of Redis each kind takes, from a bounded number of keys; ``None`` where it does not answer."""
    known: dict[str, KindMemory] | None = _remembered("memory", _measure_memory)
    return known


def read_samples() -> list[Sample] | None:
    """Return the whole log, newest first, as of the last seconds; ``None`` where Redis does not answer."""
    samples: list[Sample] | None = _remembered("samples", lambda: list(matching(Filters(), store_reader)))
    return samples


def _remembered(name: str, read: Callable[[], Any]) -> Any:
    at, value = _known.get(name, (float("-inf"), None))
    if monotonic() - at > _KEEP_SECONDS:
        try:
            value = read()
        except RedisUnavailable:
            return None
        _known[name] = (monotonic(), value)
    return value


def forget() -> None:
    """Forget what was read before, as after the log was cleared."""
    _known.clear()


def _measure_memory() -> dict[str, KindMemory]:
    base = namespaced("")

    def measure(client: Any) -> dict[str, KindMemory]:
        groups: dict[str, list[bytes]] = {}
        for raw in islice(client.scan_iter(match=f"{base}*", count=1000), _SCANNED_KEYS):
            kind = raw.decode(errors="replace").removeprefix(base).partition(":")[0]
            groups.setdefault(kind, []).append(raw)
        found: dict[str, KindMemory] = {}
        for kind, keys in groups.items():
            pipeline = client.pipeline(transaction=False)
            some = keys[:: max(len(keys) // _MEASURED_KEYS, 1)]
            for key in some:
                pipeline.execute_command("MEMORY USAGE", key)
            sizes = [int(size or 0) for size in pipeline.execute()]
            found[kind] = KindMemory(len(keys), sum(sizes) / len(sizes) * len(keys))
        return found

    return door.run(measure, name="telemetry")


def build_kind_rows(window: Window, memory: Mapping[str, KindMemory] | None) -> tuple[KindRow, ...]:
    """Return what each kind of value saved and takes, the most saving first."""
    hits, loads = window.amounts("hits"), window.amounts("loads")
    saved, spent = window.amounts("saved_us"), window.amounts("load_us")
    documents = window.amounts("documents")
    per_load = {kind: documents.get(kind, 0) / count for kind, count in loads.items() if count}
    kinds = sorted({*hits, *loads} & {*settings.INSPECTED_KEYS}, key=lambda kind: -saved.get(kind, 0))
    return tuple(
        _kind_row(
            *(kind, hits.get(kind, 0), loads.get(kind, 0), saved.get(kind, 0), spent.get(kind, 0)),
            *(per_load.get(kind), memory),
        )
        for kind in kinds
    )


def _kind_row(
    kind: str,
    hits: int,
    loads: int,
    saved_us: int,
    spent_us: int,
    per_load: float | None,
    memory: Mapping[str, KindMemory] | None,
) -> KindRow:
    reads = hits + loads
    takes = memory.get(kind) if memory is not None else None
    saved_ms = saved_us / 1000
    policy = _policy_of(kind)
    return KindRow(
        kind=kind,
        reads=f"{reads:,}",
        hit_ratio=f"{100 * hits / reads:.1f} %" if reads else "–",
        hit_share=f"{100 * hits / reads:.1f}" if reads else "0",
        load=format_ms(spent_us / 1000 / loads) if loads else (format_ms(saved_ms / hits) if hits else "–"),
        saved=format_long(saved_ms / 1000),
        documents=f"about {hits * per_load:,.0f}" if per_load is not None else "–",
        keys="–" if memory is None else f"{takes.keys:,}" if takes else "0",
        memory="–" if memory is None else format_bytes(takes.memory) if takes else "0 B",
        worth=f"{format_ms(saved_ms / (takes.memory / 1024))} a KiB" if takes and takes.memory else "–",
        policy=_policy_text(policy) if policy else "–",
    )


def _policy_of(kind: str) -> Policy | None:
    return all_policies().get(settings.INSPECTED_KEYS.get(kind, ""))


def _policy_text(policy: Policy) -> str:
    return f"{format_age(policy.soft_seconds)} fresh, {format_age(policy.hard_seconds)} at most"


def build_prediction(samples: Sequence[Sample], *, kind: str, place: int | None) -> Prediction | None:
    """Replay the log's reads of a kind with other times to live; ``None`` where none was read."""
    policies = {
        name: policy
        for name in settings.INSPECTED_KEYS
        if (policy := _policy_of(name)) is not None and references_of(samples, name)
    }
    kinds = tuple(policies)
    if not kinds:
        return None
    kind = kind if kind in kinds else kinds[0]
    policy = policies[kind]
    references = references_of(samples, kind)
    nearest = min(range(len(TTL_CHOICES)), key=lambda each: abs(TTL_CHOICES[each] - policy.soft_seconds))
    chosen = nearest if place is None else min(max(place, 0), len(TTL_CHOICES) - 1)
    real = measured(references)
    in_force = _replayed(references, policy, policy.soft_seconds)
    other = _replayed(references, policy, TTL_CHOICES[chosen])
    curve = [_replayed(references, policy, ttl).fresh for ttl in TTL_CHOICES]
    change = (other.missed + other.stale - in_force.missed - in_force.stale) * len(references)
    return Prediction(
        kind=kind,
        kinds=kinds,
        place=chosen,
        last_place=len(TTL_CHOICES) - 1,
        ttl=format_age(TTL_CHOICES[chosen]),
        current_ttl=format_age(policy.soft_seconds),
        reads=f"{len(references):,}",
        span=format_age(references[-1].at - references[0].at),
        rows=(
            ("Fresh hits", _percent(real.fresh), _percent(in_force.fresh), _percent(other.fresh)),
            ("Stale hits", _percent(real.stale), _percent(in_force.stale), _percent(other.stale)),
            ("Misses", _percent(real.missed), _percent(in_force.missed), _percent(other.missed)),
        ),
        error=f"{100 * (in_force.fresh - real.fresh):+.1f} percentage points",
        effect=_effect(change),
        points=_points(curve, chosen, nearest),
        line=" ".join(f"{_x(each):.1f},{_y(share):.1f}" for each, share in enumerate(curve)),
        measured_y=f"{_y(real.fresh):.1f}",
        complete=len(samples) < LOG_LENGTH,
    )


def _replayed(references: Sequence[Reference], policy: Policy, ttl: float) -> Shares:
    # A longer or shorter freshness leaves the time after it as it is. On average, half of the jitter is taken off.
    soft = ttl * (1 - policy.jitter / 2)
    return predicted(references, soft_seconds=soft, hard_seconds=ttl + policy.hard_seconds - policy.soft_seconds)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _effect(change: float) -> str:
    if abs(change) < 0.5:
        return "as many loads as now"
    return f"{abs(change):,.0f} loads {'more' if change > 0 else 'fewer'} than with the rules in force"


def _x(place: int) -> float:
    return _CHART_WIDTH * place / (len(TTL_CHOICES) - 1)


def _y(share: float) -> float:
    return _CHART_HEIGHT * (1 - share)


def _points(curve: Sequence[float], chosen: int, nearest: int) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            x=f"{_x(place):.1f}",
            y=f"{_y(share):.1f}",
            title=f"TTL {format_age(TTL_CHOICES[place])}: {100 * share:.1f} % fresh hits",
            chosen=place == chosen,
            current=place == nearest,
        )
        for place, share in enumerate(curve)
    )
