"""The stored form of a cached value: one line of JSON about the value, a line feed, the value as JSON.

The value's bytes can be handed out without being decoded, and a person who reads the key with ``redis-cli``
sees what it is. A stored value that does not fit this form is a miss, never an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

SCHEMA_VERSION = 1


class NotAnEnvelope(ValueError):
    """Stored bytes are of another version, truncated or not ours."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A cached value with its history.

    Attributes:
        payload: the value as JSON bytes.
        created_ms: when the value was loaded, in milliseconds since the epoch.
        expires_ms: when it must no longer be served, in milliseconds since the epoch.
        load_ms: what loading it cost, in milliseconds.
    """

    payload: bytes
    created_ms: int
    expires_ms: int
    load_ms: float

    def encode(self) -> bytes:
        """Return the bytes to store."""
        header = {
            "v": SCHEMA_VERSION,
            "created": self.created_ms,
            "expires": self.expires_ms,
            "load_ms": round(self.load_ms, 3),
            "bytes": len(self.payload),
        }
        return orjson.dumps(header) + b"\n" + self.payload

    @classmethod
    def decode(cls, stored: bytes) -> Envelope:
        """Read stored bytes; raise :class:`NotAnEnvelope` for anything that :meth:`encode` did not write."""
        head, separator, payload = stored.partition(b"\n")
        try:
            header: dict[str, Any] = orjson.loads(head)
            if not separator or header["v"] != SCHEMA_VERSION or header["bytes"] != len(payload):
                raise NotAnEnvelope("other version or truncated")
            return cls(
                payload=payload,
                created_ms=int(header["created"]),
                expires_ms=int(header["expires"]),
                load_ms=float(header["load_ms"]),
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise NotAnEnvelope(str(error)) from error
