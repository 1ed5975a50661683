"""What an import did, counted as it goes; rejections go to a file, and the first few are kept to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import orjson

from catalog.importing.errors import ImportFailed
from catalog.importing.loading import LoadedBatch, Outcome
from catalog.importing.rows import Rejection

SHOWN_REJECTIONS = 20


@dataclass(slots=True)
class ImportReport:
    """The figures of an import.

    Attributes:
        outcomes: products by what became of them.
        rejected: rows that were not imported.
        first_rejections: the first :data:`SHOWN_REJECTIONS` of them, in the order of the file.
        shortened: attribute texts that were cut or dropped, as the mapping allows.
        notes: what else a reader should know.
        stopped: why the import ended before the file did; empty where it did not.
        interrupted: whether a person ended it.
        caches_told: whether Redis took notice of all that was written.
        dry_run: whether nothing was written.
        elapsed_seconds: how long it took.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    rejected: int = 0
    first_rejections: list[Rejection] = field(default_factory=list)
    shortened: int = 0
    notes: list[str] = field(default_factory=list)
    stopped: str = ""
    interrupted: bool = False
    caches_told: bool = True
    dry_run: bool = False
    elapsed_seconds: float = 0.0

    @property
    def accepted(self) -> int:
        """Rows that are in the catalogue now, or would be after a real run."""
        return self.outcomes.total()

    @property
    def read(self) -> int:
        """Rows that were dealt with."""
        return self.accepted + self.rejected

    @property
    def written(self) -> int:
        """Products that were created or updated, or would have been."""
        return self.outcomes[Outcome.CREATED] + self.outcomes[Outcome.UPDATED]

    def add(self, batch: LoadedBatch) -> None:
        """Count a batch; its rejections are counted by :meth:`reject`."""
        self.outcomes.update(batch.outcomes.values())
        self.caches_told = self.caches_told and batch.caches_told

    def reject(self, rejection: Rejection) -> None:
        """Count a rejection, and keep it while there is room."""
        self.rejected += 1
        if len(self.first_rejections) < SHOWN_REJECTIONS:
            self.first_rejections.append(rejection)


class RejectionFile:
    """Writes every rejection as one JSON object a line; without a file it does nothing."""

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = file

    def write(self, rejection: Rejection) -> None:
        """Write one rejection; raise :class:`~catalog.importing.errors.ImportFailed` where that cannot be done."""
        if self._file is not None:
            with _explained(self._file.name):
                self._file.write(orjson.dumps(asdict(rejection), option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImportFailed(f"--report {path} cannot be written: {error.strerror}.") from error


@contextmanager
def rejection_file(path: str, *, source: str) -> Iterator[RejectionFile]:
    """Open the file for rejections, or none for an empty path.

    Raises:
        ImportFailed: it cannot be written, or is the file that is being imported.
    """
    if not path:
        yield RejectionFile()
        return
    if source != "-" and Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
        raise ImportFailed(f"--report {path} would overwrite the file to import.")
    with _explained(path):
        file = Path(path).open("wb")  # noqa: SIM115  (closed below, where its errors are explained as well)
    try:
        yield RejectionFile(file)
    finally:
        with _explained(path):
            file.close()
