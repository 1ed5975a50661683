"""What the last minute did: answers by outcome and second, errors, breakers, staleness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cachelayer.health import check_health, since_any_worker_knows
from cachelayer.outcomes import Outcome
from cachelayer.telemetry import read_window, recorder
from cachelayer.telemetry.node import node_state
from cachelayer.web.presentation import format_ms, heat_label, heat_of

_ORDER = ("hot", "stale", "cold", "bypass", "errors")
WIDTH = 600
HEIGHT = 120
_COLUMN = WIDTH / 60
_LOWEST = 3.0


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a column, in the units of the drawing."""

    tone: str
    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True, slots=True)
class Effects:
    """The last minute.

    Attributes:
        most: the requests in its fullest second, which the height of the drawing stands for.
        counts: kind of answer, its name, and how many.
        facts: name, value, and whether it is bad news.
    """

    blocks: tuple[Block, ...]
    most: int
    counts: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str, bool], ...]
    summary: str
    covers_all: bool


def build_effects() -> Effects:
    """Read what happened."""
    window = read_window("1m")
    columns = [_kinds(sums) for sums in window.column_sums]
    most = max((sum(column.values()) for column in columns), default=0)
    totals = {kind: sum(column.get(kind, 0) for column in columns) for kind in _ORDER}
    node = node_state(recorder.totals)
    health = since_any_worker_knows(check_health(), node.facts.get("health", ()))
    workers = len(node.gauges.get("alive", ()))
    facts = [
        (
            "MongoDB" if server.name == "mongodb" else "Redis",
            f"up, ping {format_ms(server.ping_ms or 0)}" if server.up else f"down since {server.since:%H:%M:%S} UTC",
            not server.up,
        )
        for server in health.servers
    ]
    for server in ("redis", "mongodb"):
        opened = int(sum(node.gauges.get(f"breaker_open|{server}", ())))
        facts.append(
            (f"Breaker of {server}", f"open in {opened} of {workers} workers" if opened else "closed", opened > 0)
        )
    facts.append(("p99", format_ms(window.all.percentile(99)) if window.all.total else "–", False))
    facts.append(("Generated", f"{window.sums.get('generated', 0):,} of {window.all.total:,} requests", False))
    return Effects(
        blocks=tuple(block for place, column in enumerate(columns) for block in _column(place, column, most)),
        most=most,
        counts=tuple((kind, _label(kind), f"{totals[kind]:,}") for kind in _ORDER),
        facts=tuple(facts),
        summary="Answers of the last minute: " + ", ".join(f"{totals[kind]:,} {_label(kind)}" for kind in _ORDER),
        covers_all=window.covers_all,
    )


def _kinds(sums: Mapping[str, int]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for name, count in sums.items():
        if name.startswith("outcome|"):
            heat = heat_of(Outcome(name.partition("|")[2])).value
            kinds[heat] = kinds.get(heat, 0) + count
    if sums.get("errors"):
        kinds["errors"] = sums["errors"]
    return kinds


def _label(kind: str) -> str:
    labels = {heat_of(outcome).value: heat_label(heat_of(outcome)) for outcome in Outcome}
    return labels.get(kind, "errors (500 and above)")


def _column(place: int, column: Mapping[str, int], most: int) -> list[Block]:
    blocks, top = [], float(HEIGHT)
    for kind in _ORDER:
        count = column.get(kind, 0)
        if not count:
            continue
        height = max(count / most * HEIGHT, _LOWEST)
        top -= height
        title = f"{60 - place} s ago: {count} {_label(kind)}"
        blocks.append(
            Block(kind, f"{place * _COLUMN:.1f}", f"{top:.1f}", f"{_COLUMN * 0.8:.1f}", f"{height:.1f}", title)
        )
    return blocks
