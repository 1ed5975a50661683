"""Which skus a file has named so far, however many: exact, and in memory that does not grow with them."""

from __future__ import annotations

import sqlite3
from types import TracebackType

_CACHE_KIB = 8192


class SeenProducts:
    """Remembers the line that named a product first.

    SQLite keeps a database without a name in its cache, and beyond that in a temporary file which it deletes itself.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "CREATE TABLE seen (id BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def claim(self, identifier: bytes, line: int) -> int:
        """Return the line that named ``identifier`` first, which is ``line`` if none did before."""
        cursor = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (identifier, line))
        if cursor.rowcount:
            return line
        found = self._database.execute("SELECT line FROM seen WHERE id = ?", (identifier,)).fetchone()
        return int(found[0])

    def __enter__(self) -> SeenProducts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
