"""An import from beginning to end: read, build, load, report."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from catalog.documents import object_id_of
from catalog.errors import CatalogUnavailable
from catalog.importing.drafts import Built, DraftBuilder
from catalog.importing.errors import DamagedFile
from catalog.importing.interrupt import Interrupts
from catalog.importing.loading import finish, load_batch
from catalog.importing.mapping import ImportMapping
from catalog.importing.report import ImportReport, RejectionFile
from catalog.importing.rows import Rejection, Row
from catalog.importing.seen import SeenProducts
from catalog.mongo import Documents

BATCH_PRODUCTS = 1000
BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends with whichever comes first, so that large products make small batches."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an import goes.

    Attributes:
        database: the catalogue.
        rejections: takes every rejection.
        dry_run: report what would be done, and write nothing.
    """

    database: Documents
    rejections: RejectionFile
    dry_run: bool = False


def run_import(
    rows: Iterable[Row | Rejection],
    *,
    mapping: ImportMapping,
    destination: Destination,
    report: ImportReport,
    interrupts: Interrupts,
) -> None:
    """Import rows, and count in ``report`` what becomes of them and what ended the import early, if anything did.

    Args:
        rows: as they are read; reading them may raise :class:`~catalog.importing.errors.DamagedFile`.
        mapping: how they become products.
        destination: where the products go.
        report: filled as the import goes on, so that others can look at it meanwhile.
        interrupts: watched for the duration of the import.
    """
    started = perf_counter()
    report.dry_run = destination.dry_run
    with SeenProducts() as seen, interrupts.watched():
        importer = _Importer(DraftBuilder(mapping), destination, report, interrupts, seen)
        try:
            try:
                for row in rows:
                    importer.take(row)
            except DamagedFile as damage:
                importer.reject(Rejection(damage.line, damage.reason))
                report.stopped = f"The file cannot be read beyond line {damage.line:,}."
            except KeyboardInterrupt:
                report.interrupted = True
            with suppress(KeyboardInterrupt):
                importer.finish()
            # An interrupt that came when nothing was left to do has interrupted nothing.
            report.interrupted = report.interrupted or not importer.finished
        except CatalogUnavailable as error:
            report.stopped = f"{error}. Run the same command again to go on."
    report.elapsed_seconds = perf_counter() - started


class _Importer:
    """Gathers drafts into batches and loads them."""

    def __init__(
        self,
        builder: DraftBuilder,
        destination: Destination,
        report: ImportReport,
        interrupts: Interrupts,
        seen: SeenProducts,
    ) -> None:
        self._builder = builder
        self._destination = destination
        self._report = report
        self._interrupts = interrupts
        self._seen = seen
        self._batch: list[Built] = []
        self._bytes = 0
        self.finished = False

    def take(self, row: Row | Rejection) -> None:
        """Build the draft of a row, and load the batch when it is full."""
        built = self._builder.build(row) if isinstance(row, Row) else row
        if isinstance(built, Rejection):
            self.reject(built)
            return
        sku = built.draft.sku
        first = self._seen.claim(object_id_of(sku).binary, built.line)
        if first != built.line:
            reason = f"repeats the sku of line {first:,}, which is the one that counts"
            self.reject(Rejection(built.line, reason, field="sku", sku=sku))
            return
        self._batch.append(built)
        self._bytes += built.size
        self._report.shortened += built.shortened
        if len(self._batch) >= BATCH_PRODUCTS or self._bytes >= BATCH_BYTES:
            with self._interrupts.shielded():
                self._load()

    def reject(self, rejection: Rejection) -> None:
        """Count a rejection and write it out."""
        self._report.reject(rejection)
        self._destination.rejections.write(rejection)

    def finish(self) -> None:
        """Load what is left, and bring everything that is derived from products up to date."""
        with self._interrupts.shielded():
            self._load()
            if not self._destination.dry_run:
                finish(self._destination.database, written=self._report.written > 0)
            self.finished = True

    def _load(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        if not batch:
            return
        loaded = load_batch(self._destination.database, batch, dry_run=self._destination.dry_run)
        self._report.add(loaded)
        for rejection in loaded.rejections:
            self.reject(rejection)
