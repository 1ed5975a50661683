"""Import products from a file: a shell around :mod:`catalog.importing`."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cachelayer.engine import wait_until_everything_is_told
from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.importing.errors import DamagedFile, ImportFailed
from catalog.importing.formats import FORMATS, rows_of
from catalog.importing.interrupt import Interrupts
from catalog.importing.lines import Source, open_source
from catalog.importing.loading import Outcome, prepare
from catalog.importing.mapping import ImportMapping
from catalog.importing.mapping_file import mapping_from_options
from catalog.importing.progress import shown_progress
from catalog.importing.report import ImportReport, RejectionFile, rejection_file
from catalog.importing.rows import Rejection, shown
from catalog.importing.run import Destination, run_import

_TOLD_SECONDS = 3.0
"""So long a finished import waits for a Redis that did not answer in time to hear what has changed."""
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_EPILOG = """\
fields of a product
  sku, name, price, currency, stock and category have to come from the file or
  from --default. brand, product_type, description, rating (0 to 5),
  rating_count, popularity, attributes, image_url, active and created_at may
  be missing. Fields of the file that nothing else uses become attributes.

  Prices are in major units, 49.90. A price that could be read in two ways,
  such as 1.299, is rejected; a mapping file can state the decimal mark, or
  that prices are in cents.

examples
  manage.py import_products products.csv --default stock=0 --default currency=EUR
  manage.py import_products feed.jsonl.gz --map name=title --map brand=maker.name
  manage.py import_products products.jsonl.gz --map catalog/mappings/icecat.toml
  zstd -dc feed.jsonl.zst | manage.py import_products - --dry-run

A product is known by its sku: it is created, updated where it differs, or left
alone. Of rows with the same sku the first counts. Running an import again is
always safe. Exit status: 0 imported, though rows may have been rejected;
1 no row could be imported, or the import ended early; 130 interrupted.
docs/importing.md explains mapping files.
"""


class Command(BaseCommand):
    help = "Import products from JSON lines or CSV, plain or gzip."
    # The checks would load every view and what those load, of which an import needs nothing.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, epilog=_EPILOG, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file to import; - reads the standard input")
        parser.add_argument("--format", choices=FORMATS, default="", help="default: by the name, else by the content")
        parser.add_argument("--delimiter", default="", help="of CSV: one character, or tab; default: by the header")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="MAPPING",
            help="a mapping file (.toml), or FIELD=SOURCE: take a field of the product from a field of the file, "
            "such as name=title, brand=maker.name or 'name={maker} {model}'; repeatable, a pair wins over the file",
        )
        parser.add_argument(
            "--default",
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="a value for rows that have none, such as stock=0; repeatable",
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would be done, and write nothing")
        parser.add_argument("--report", default="", metavar="FILE", help="write every rejection here, as JSON lines")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        report = ImportReport()
        interrupts = Interrupts()
        try:
            mapping = mapping_from_options(options["map"], options["default"])
            with (
                open_source(options["file"]) as source,
                rejection_file(options["report"], source=options["file"]) as rejections,
            ):
                self._import(source, mapping, rejections, report, interrupts, options)
        except (ImportFailed, CatalogUnavailable) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted before anything was imported.", returncode=130) from None
        self._print(report, options["report"])
        if report.interrupted:
            raise CommandError(
                "Interrupted. Run the same command again to go on.", returncode=128 + interrupts.signal_number
            )
        if report.stopped:
            raise CommandError(report.stopped)
        if not report.accepted:
            raise CommandError("No row could be imported." if report.read else "The file has no rows.")

    def _import(
        self,
        source: Source,
        mapping: ImportMapping,
        rejections: RejectionFile,
        report: ImportReport,
        interrupts: Interrupts,
        options: dict[str, Any],
    ) -> None:
        delimiter = _DELIMITER_NAMES.get(options["delimiter"], options["delimiter"])
        if len(delimiter) > 1 or delimiter in ('"', "\n", "\r"):
            raise ImportFailed(f"--delimiter {shown(delimiter)} is not one character.")
        try:
            stream = rows_of(source, file_format=options["format"], delimiter=delimiter)
        except DamagedFile as error:
            raise ImportFailed(f"{source.name} cannot be read: {error}.") from error
        report.notes = stream.notes
        database = mongo.command_database()
        prepare(database, dry_run=options["dry_run"])
        with shown_progress(source, report):
            run_import(
                stream.rows,
                mapping=mapping,
                destination=Destination(database, rejections, dry_run=options["dry_run"]),
                report=report,
                interrupts=interrupts,
            )

    def _print(self, report: ImportReport, report_path: str) -> None:
        if report.dry_run:
            self.stdout.write("Dry run: nothing was written.")
        rows = [("read", report.read), *((outcome.value, report.outcomes[outcome]) for outcome in Outcome)]
        for label, count in (*rows, ("rejected", report.rejected)):
            self.stdout.write(f"{label:<10} {count:>12,}")
        rate = report.read / report.elapsed_seconds if report.elapsed_seconds else 0
        self.stdout.write(f"in {report.elapsed_seconds:,.1f} s, {rate:,.0f} rows a second")
        for note in report.notes:
            self.stdout.write(f"note: {note}")
        if report.shortened:
            self.stdout.write(f"note: {report.shortened:,} attribute texts were too long and were shortened")
        if not report.caches_told and not wait_until_everything_is_told(_TOLD_SECONDS):
            self.stdout.write("note: Redis did not answer; pages may show the old state of a product until it expires")
        self._print_rejections(report, report_path)

    def _print_rejections(self, report: ImportReport, report_path: str) -> None:
        for rejection in sorted(report.first_rejections, key=lambda rejection: rejection.line):
            self.stdout.write(_sentence(rejection))
        if report.rejected > len(report.first_rejections):
            more = f"… and {report.rejected - len(report.first_rejections):,} more"
            self.stdout.write(f"{more}; --report FILE lists them all" if not report_path else more)
        if report_path and report.rejected:
            self.stdout.write(f"All {report.rejected:,} rejections are in {report_path}")


def _sentence(rejection: Rejection) -> str:
    about = f" ({shown(rejection.sku)})" if rejection.sku else ""
    subject = f"{rejection.field} " if rejection.field else ""
    return f"line {rejection.line:,}{about}: {subject}{rejection.reason}"
