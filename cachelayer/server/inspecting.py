"""Looking into Redis: keys by prefix, a portion at a time, and one key in full. Staff may delete or expire a key.

Only kinds of keys that the settings name are ever shown (``INSPECTED_KEYS``): sessions and what else belongs to one
person lie in the same Redis.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import time
from typing import Any

import orjson
from django.conf import settings

from cachelayer.engine import invalidate
from cachelayer.invalidation.announcements import generations_key
from cachelayer.loading.envelope import Envelope, NotAnEnvelope
from cachelayer.server import door
from cachelayer.server.connections import is_cluster
from cachelayer.server.door import namespaced

PAGE_KEYS = 50
_SCANS_AT_ONCE = 20
_SCAN_COUNT = 500
_MAX_SHOWN_BYTES = 64 * 1024
_MAX_ENTRIES = 100
_GLOB = re.compile(r"([\\*?\[\]^])")

# A value that was stored anew meanwhile is another value: it is left alone.
_REPLACE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
return 0
"""


class KeyHidden(Exception):
    """The key is none that may be looked at."""


class KeyGone(Exception):
    """There is no such key, or no longer."""


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key in a list: its remaining time in ms (-1 for none), and its size in Redis in bytes."""

    key: str
    kind: str
    left_ms: int
    memory: int


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A portion of the keys; ``cursor`` goes on from here and is 0 at the end."""

    lines: tuple[KeyLine, ...]
    cursor: int
    scanned: int


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key in full.

    Attributes:
        type: as Redis calls it.
        left_ms: until it expires; -1 where it does not.
        envelope: what the cache engine stored; ``None`` for other keys.
        stored_bytes: bytes of the stored string, which may be compressed; 0 for other types.
        behind: tags whose generation has moved on since the value was loaded.
        text: the value for people.
        truncated: whether ``text`` is only its beginning.
    """

    key: str
    type: str
    left_ms: int
    memory: int
    envelope: Envelope | None
    stored_bytes: int
    behind: tuple[str, ...]
    text: str
    truncated: bool


def may_be_shown(key: str) -> bool:
    """Tell whether a key, without prefix, is of a kind that the settings name."""
    return any(key.startswith(f"{kind}:") for kind in settings.INSPECTED_KEYS)


def list_keys(prefix: str, *, cursor: int = 0) -> KeyPage:
    """Return some keys that begin with ``prefix``; raise :class:`~cachelayer.server.door.RedisUnavailable`.

    A portion may be empty and yet not be the last: one look goes through a bounded number of keys.
    """
    base = namespaced("")
    pattern = _GLOB.sub(r"\\\1", base + prefix) + "*"

    def scan(client: Any) -> tuple[int, list[bytes], int]:
        if is_cluster(client):
            # The nodes have cursors of their own, so there is one portion here, as large as several.
            return 0, list(islice(client.scan_iter(match=pattern, count=_SCAN_COUNT), 4 * PAGE_KEYS)), 0
        place, found, scanned = cursor, [], 0
        for _ in range(_SCANS_AT_ONCE):
            place, portion = client.scan(place, match=pattern, count=_SCAN_COUNT)
            found += portion
            scanned += _SCAN_COUNT
            if not place or len(found) >= PAGE_KEYS:
                break
        return int(place), found, scanned

    place, found, scanned = door.run(scan)
    names = sorted({raw.decode(errors="replace").removeprefix(base) for raw in found})
    shown = [name for name in names if may_be_shown(name)]
    return KeyPage(tuple(_lines(shown)), place, scanned)


def _lines(names: Sequence[str]) -> list[KeyLine]:
    def measure(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            stored = namespaced(name)
            pipeline.pttl(stored)
            pipeline.execute_command("MEMORY USAGE", stored)
        measured: list[Any] = pipeline.execute()
        return measured

    told = door.run(measure) if names else []
    return [
        KeyLine(name, name.partition(":")[0], int(left), int(memory or 0))
        for name, left, memory in zip(names, told[::2], told[1::2], strict=True)
        if left != -2
    ]


def read_key(key: str) -> KeyValue:
    """Return a key in full.

    Raises:
        KeyHidden: it is none that may be looked at.
        KeyGone: Redis has no such key.
        RedisUnavailable: Redis does not answer.
    """
    if not may_be_shown(key):
        raise KeyHidden(key)
    stored = namespaced(key)

    def read(client: Any) -> tuple[str, int, int, Any, dict[bytes, bytes]]:
        kind = client.type(stored).decode()
        pipeline = client.pipeline(transaction=False)
        pipeline.pttl(stored)
        pipeline.execute_command("MEMORY USAGE", stored)
        _ask_for_value(pipeline, kind, stored)
        left, memory, value = pipeline.execute()
        return kind, int(left), int(memory or 0), value, client.hgetall(generations_key())

    kind, left, memory, value, generations = door.run(read)
    if kind == "none" or left == -2:
        raise KeyGone(key)
    envelope = _envelope(value, key) if kind == "string" else None
    text = _pretty(envelope.payload) if envelope else _text(kind, value)
    current = {tag.decode(): int(number) for tag, number in generations.items()}
    behind = [tag for tag, number in envelope.generations.items() if current.get(tag, 0) != number] if envelope else []
    return KeyValue(
        key=key,
        type=kind,
        left_ms=left,
        memory=memory,
        envelope=envelope,
        stored_bytes=len(value) if kind == "string" else 0,
        behind=tuple(behind),
        text=text[:_MAX_SHOWN_BYTES],
        truncated=len(text) > _MAX_SHOWN_BYTES,
    )


def delete_key(key: str) -> None:
    """Delete a key, everywhere where it is a cached value; raise as :func:`read_key` does."""
    if read_key(key).envelope is not None:
        invalidate(_unescaped(key))
    else:
        door.run(lambda client: client.unlink(namespaced(key)))


def expire_key(key: str) -> bool:
    """Make a cached value stale from now on; the first to read it gets it once more while it is loaded anew.

    Processes that hold it in memory notice with the end of its seconds there. Returns false where the value was
    replaced in this very moment, or is no cached value.
    """
    if read_key(key).envelope is None:
        return False
    stored = namespaced(key)

    def exchange(client: Any) -> int:
        raw = client.get(stored)
        envelope = _envelope(raw, key)
        if envelope is None:
            return 0
        stale = replace(envelope, soft_ms=min(envelope.soft_ms, int(time() * 1000)))
        return int(client.eval(_REPLACE, 1, stored, raw, stale.encode(_unescaped(key))))

    return bool(door.run(exchange))


def _unescaped(key: str) -> str:
    """Return the key that the engine knows for what is stored as ``key``: undo ``value_key`` of the door."""
    return key.replace("%7B", "{").replace("%7D", "}").replace("%25", "%")


def _ask_for_value(pipeline: Any, kind: str, stored: str) -> None:
    match kind:
        case "string":
            pipeline.get(stored)
        case "hash":
            pipeline.hgetall(stored)
        case "zset":
            pipeline.zrevrange(stored, 0, _MAX_ENTRIES - 1, withscores=True)
        case "list":
            pipeline.lrange(stored, 0, _MAX_ENTRIES - 1)
        case "stream":
            pipeline.xrevrange(stored, count=10)
        case _:
            pipeline.exists(stored)


def _envelope(raw: bytes | None, key: str) -> Envelope | None:
    try:
        return Envelope.decode(raw, _unescaped(key)) if raw is not None else None
    except NotAnEnvelope:
        return None


def _pretty(payload: bytes) -> str:
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")


def _text(kind: str, value: Any) -> str:
    match kind:
        case "hash":
            rows = sorted((name.decode(errors="replace"), _plain(entry)) for name, entry in value.items())
            return "\n".join(f"{name}: {entry}" for name, entry in rows[:_MAX_ENTRIES])
        case "zset":
            return "\n".join(f"{score:g}  {_plain(member)}" for member, score in value)
        case "list":
            return "\n".join(_plain(entry) for entry in value)
        case "stream":
            return "\n".join(f"{_plain(at)}  {_plain(next(iter(fields.values()), b''))}" for at, fields in value)
        case "string":
            return _plain(value)
    return ""


def _plain(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return f"{len(raw):,} bytes that are no text"
    return text if text.isprintable() else f"{len(raw):,} bytes that are no text"
