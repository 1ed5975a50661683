"""The stored form of a cached value: one line of JSON about the value, a line feed, the value as JSON.

The value's bytes can be handed out without being decoded, and a person who reads the key with ``redis-cli``
sees what it is. Long values are compressed with zstd. A stored value that does not fit this form is a miss,
never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import zstandard

SCHEMA_VERSION = 3
COMPRESS_ABOVE = 4 * 1024
"""Values with more bytes of JSON than this are compressed; below, the network costs less than the work."""
_MAX_DECOMPRESSED = 64 * 1024 * 1024
_ABSENT = b"null"


class NotAnEnvelope(ValueError):
    """Stored bytes are of another version or key, truncated, tampered with or not ours."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A cached value with its history; times are in milliseconds since the epoch.

    Attributes:
        payload: the value as JSON bytes.
        created_ms: when the value was loaded.
        soft_ms: until when it counts as fresh.
        hard_ms: when it must no longer be served.
        load_ms: what loading it cost, in milliseconds.
        generations: for each tag of the value, the generation that was current before it was loaded.
        absent: the value does not exist, and that is what is remembered.
    """

    payload: bytes
    created_ms: int
    soft_ms: int
    hard_ms: int
    load_ms: float
    generations: Mapping[str, int] = field(default_factory=dict)
    absent: bool = False

    @classmethod
    def of_absence(cls, *, now_ms: int, seconds: float, load_ms: float) -> Envelope:
        """Return an envelope that remembers that there is no value."""
        expiry = now_ms + int(seconds * 1000)
        return cls(_ABSENT, now_ms, expiry, expiry, load_ms, absent=True)

    def encode(self, key: str) -> bytes:
        """Return the bytes to store under ``key``."""
        compressed = len(self.payload) > COMPRESS_ABOVE
        body = zstandard.ZstdCompressor(level=1).compress(self.payload) if compressed else self.payload
        header = {
            "v": SCHEMA_VERSION,
            "key": key,
            "created": self.created_ms,
            "soft": self.soft_ms,
            "hard": self.hard_ms,
            "load_ms": round(self.load_ms, 3),
            "bytes": len(self.payload),
            "stored": len(body),
            "zstd": compressed,
            "absent": self.absent,
            "gen": dict(self.generations),
        }
        return orjson.dumps(header) + b"\n" + body

    @classmethod
    def decode(cls, stored: Any, key: str) -> Envelope:
        """Read what Redis answered; raise :class:`NotAnEnvelope` for anything that :meth:`encode` did not write.

        The key is compared, too: a client that takes the late reply to one command for the reply to the next would
        show one visitor what belongs to another.
        """
        try:
            head, separator, body = stored.partition(b"\n")
            header: dict[str, Any] = orjson.loads(head)
            if not separator or header["v"] != SCHEMA_VERSION or header["stored"] != len(body):
                raise NotAnEnvelope("other version or truncated")
            if header["key"] != key:
                raise NotAnEnvelope("value of another key")
            payload = _decompressed(body, header["bytes"]) if header["zstd"] else body
            if len(payload) != header["bytes"]:
                raise NotAnEnvelope("length differs")
            return cls(
                payload=payload,
                created_ms=int(header["created"]),
                soft_ms=int(header["soft"]),
                hard_ms=int(header["hard"]),
                load_ms=float(header["load_ms"]),
                generations={str(tag): int(generation) for tag, generation in header["gen"].items()},
                absent=bool(header["absent"]),
            )
        except (orjson.JSONDecodeError, zstandard.ZstdError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAnEnvelope(str(error)) from error


def _decompressed(body: bytes, length: object) -> bytes:
    if not isinstance(length, int) or not 0 <= length <= _MAX_DECOMPRESSED:
        raise NotAnEnvelope("impossible length")
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=length)
