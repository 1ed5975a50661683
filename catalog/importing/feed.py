"""Lines with a look ahead and a way back, for parsers that have to take a wrong turn to notice it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from catalog.importing.errors import DamagedFile
from catalog.importing.lines import Line


class LineFeed:
    """Hands out lines, takes them back, and reports damage only after all that came before it was used."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._waiting: deque[Line] = deque()
        self._damage: DamagedFile | None = None

    def next(self) -> Line | None:
        """Return the next line, or ``None`` at the end or where the file breaks off."""
        if self._waiting:
            return self._waiting.popleft()
        if self._damage is not None:
            return None
        try:
            return next(self._lines, None)
        except DamagedFile as damage:
            self._damage = damage
            return None

    def give_back(self, lines: Sequence[Line]) -> None:
        """Take lines back; :meth:`next` returns them again in this order."""
        self._waiting.extendleft(reversed(lines))

    def raise_damage(self) -> None:
        """Raise what ended the lines before the end of the file, if anything did."""
        if self._damage is not None:
            raise self._damage
