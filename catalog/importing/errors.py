"""What can go wrong with an import as a whole; a row that cannot be used is a rejection, not an error."""

from __future__ import annotations

from catalog.errors import CatalogError


class ImportFailed(CatalogError):
    """The import cannot start or go on; the message is one line for the person who started it."""


class UnreadableFile(ImportFailed):
    """Nothing can be read from the file: missing, empty, of another kind."""


class DamagedFile(ImportFailed):
    """The file breaks off or is broken from here on; what came before has been handed out.

    Attributes:
        line: the number of the line in which the damage lies.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line:,}: {reason}")
        self.line = line
        self.reason = reason


class InvalidMapping(ImportFailed):
    """A mapping file or option says something that has no meaning."""
