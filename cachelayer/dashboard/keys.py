"""The key inspector: lists of keys, and one key with its time running down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from urllib.parse import urlencode

from cachelayer.loading.envelope import COMPRESS_ABOVE, Envelope
from cachelayer.server.inspecting import KeyPage, KeyValue
from cachelayer.web.presentation import format_age, format_bytes, format_ms

RING_LENGTH = 2 * math.pi * 42
"""Circumference of the ring, in the units of its drawing."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in the list."""

    key: str
    kind: str
    left: str
    left_share: str
    size: str
    query: str


@dataclass(frozen=True, slots=True)
class KeyList:
    """The list; ``more`` is the query of the next portion, empty at the end."""

    prefix: str
    rows: tuple[KeyRow, ...]
    more: str
    note: str


@dataclass(frozen=True, slots=True)
class Ring:
    """The remaining time as an arc: ``shown`` and ``hidden`` are lengths of a dash."""

    shown: str
    hidden: str
    tone: str
    figure: str
    unit: str
    label: str


@dataclass(frozen=True, slots=True)
class KeyPageContext:
    """One key."""

    key: str
    query: str
    type: str
    ring: Ring
    state: str
    heat: str
    facts: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    text: str
    truncated: bool
    is_value: bool


def build_key_list(prefix: str, page: KeyPage) -> KeyList:
    """Prepare a list of keys."""
    longest = max((line.left_ms for line in page.lines), default=0)
    rows = tuple(
        KeyRow(
            key=line.key,
            kind=line.kind,
            left=_left_text(line.left_ms),
            left_share=f"{max(100 * line.left_ms / longest, 1):.1f}" if longest > 0 else "100",
            size=format_bytes(line.memory),
            query=urlencode({"key": line.key}),
        )
        for line in page.lines
    )
    more = urlencode({"prefix": prefix, "cursor": page.cursor}) if page.cursor else ""
    empty = "None in this portion; there may be some further on." if more else "No key begins like this."
    return KeyList(prefix, rows, more, "" if rows else empty)


def build_key_page(value: KeyValue) -> KeyPageContext:
    """Prepare the page of one key."""
    envelope = value.envelope
    state, heat = _state(envelope, value.behind)
    return KeyPageContext(
        key=value.key,
        query=urlencode({"key": value.key}),
        type="cached value" if envelope else value.type,
        ring=_ring(value),
        state=state,
        heat=heat,
        facts=_facts(value, envelope),
        tags=tuple(
            ("everything" if tag == "*" else tag, "moved on" if tag in value.behind else "current")
            for tag in (envelope.generations if envelope else ())
        ),
        text=value.text,
        truncated=value.truncated,
        is_value=envelope is not None,
    )


def _state(envelope: Envelope | None, behind: tuple[str, ...]) -> tuple[str, str]:
    if envelope is None:
        return "", "none"
    now = time() * 1000
    if envelope.absent:
        return "known not to exist", "hot"
    if behind:
        return "stale: something it depends on has changed", "stale"
    if now >= envelope.soft_ms:
        return "stale: served once more while it is loaded anew", "stale"
    return "fresh", "hot"


def _ring(value: KeyValue) -> Ring:
    if value.left_ms < 0:
        return Ring(f"{RING_LENGTH:.1f}", "0", "none", "∞", "", "does not expire")
    envelope = value.envelope
    whole_ms = max(envelope.hard_ms - envelope.created_ms, 1) if envelope else value.left_ms
    share = min(value.left_ms / whole_ms, 1.0) if whole_ms else 0.0
    stale = envelope is not None and time() * 1000 >= envelope.soft_ms
    figure, _, unit = _left_text(value.left_ms).partition(" ")
    return Ring(
        shown=f"{RING_LENGTH * share:.1f}",
        hidden=f"{RING_LENGTH:.1f}",
        tone="stale" if stale else "hot",
        figure=figure,
        unit=unit,
        label=f"{_left_text(value.left_ms)} until Redis drops the key",
    )


def _left_text(left_ms: int) -> str:
    """Return a remaining time to the second below ten minutes, so that one sees it run."""
    if left_ms < 0:
        return "∞"
    seconds = left_ms / 1000
    return f"{seconds:.0f} s" if seconds < 600 else format_age(seconds)


def _facts(value: KeyValue, envelope: Envelope | None) -> tuple[tuple[str, str], ...]:
    memory = ("In Redis", format_bytes(value.memory))
    if envelope is None:
        return (memory,)
    size, stored = len(envelope.payload), value.stored_bytes
    ratio = f"{format_bytes(size)}, stored as {format_bytes(stored)}"
    if size > COMPRESS_ABOVE:
        ratio += f" with zstd ({100 * stored / size:.0f} %)"
    return (
        ("Loaded", f"{_clock(envelope.created_ms)}, {_since(envelope.created_ms)}"),
        ("Soft expiry", f"{_clock(envelope.soft_ms)}, {_since(envelope.soft_ms)}"),
        ("Hard expiry", f"{_clock(envelope.hard_ms)}, {_since(envelope.hard_ms)}"),
        ("Load cost", f"{format_ms(envelope.load_ms)}, saved by each hit"),
        ("Size", ratio),
        memory,
    )


def _clock(moment_ms: int) -> str:
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%H:%M:%S} UTC"


def _since(moment_ms: int) -> str:
    left = moment_ms / 1000 - time()
    return f"in {format_age(left)}" if left >= 0 else f"{format_age(-left)} ago"
