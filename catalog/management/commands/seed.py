from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.indexes import IndexConflict
from catalog.progress import shown_on
from catalog.seeding.catalogue import MAX_COUNT, SeedReport, seed_catalogue
from catalog.seeding.generator import DEFAULT_SEED, MAX_SEED
from catalog.seeding.workers import SeedFailed

_INTERRUPTED = 130  # What a shell expects of a command that Ctrl-C ended.


class Command(BaseCommand):
    help = (
        "Fill the catalogue with invented, realistic products. The same seed and count give the same products on every "
        "machine. Products that exist are left as they are, so an interrupted seed goes on where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--count",
            type=_whole_number(MAX_COUNT),
            default=settings.SEED_TARGET,
            metavar="N",
            help="the first N products of the seeded catalogue shall exist (default: SEED_TARGET, %(default)s)",
        )
        parser.add_argument(
            "--seed",
            type=_whole_number(MAX_SEED),
            default=DEFAULT_SEED,
            metavar="S",
            help="which catalogue; each number gives another one (default: %(default)s)",
        )
        parser.add_argument(
            "--reset",
            action="store_true",
            help="first delete ALL products, your own included; accounts and everything else stay",
        )
        parser.add_argument(
            "--rebuild-indexes",
            action="store_true",
            help="drop the search indexes first and build them at the end, as is always done for an empty catalogue: "
            "many times faster for large counts, but nothing can be searched meanwhile",
        )
        parser.add_argument(
            "--processes",
            type=_whole_number(64, smallest=1),
            metavar="P",
            help="processes that make products (default: one for each processor)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            report = seed_catalogue(
                database=mongo.command_database(),
                uri=settings.MONGO_URI,
                count=options["count"],
                seed=options["seed"],
                reset=options["reset"],
                rebuild_indexes=options["rebuild_indexes"],
                processes=options["processes"],
                progress=shown_on(self.stdout),
            )
        except (SeedFailed, CatalogUnavailable) as error:
            raise CommandError(f"{error} What is stored is safe: run the same command again to go on.") from error
        except IndexConflict as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            again = " without --reset" if options["reset"] else ""
            self.stderr.write(f"Interrupted. What is stored is safe: run the same command{again} again to go on.")
            sys.exit(_INTERRUPTED)
        self.stdout.write(_summary(report))


def _summary(report: SeedReport) -> str:
    rate = report.created / report.load_seconds if report.load_seconds else 0
    parts = []
    if report.deleted:
        parts.append(f"{report.deleted:,} products deleted")
    parts.append(f"{report.created:,} products created in {report.load_seconds:.1f} s ({rate:,.0f} a second)")
    if report.present:
        parts.append(f"{report.present:,} were there already")
    if report.indexes:
        parts.append(f"{len(report.indexes)} indexes built in {report.index_seconds:.1f} s")
    parts.append(f"{report.categories:,} categories")
    return ", ".join(parts) + "."


def _whole_number(largest: int, *, smallest: int = 0) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text.replace("_", "").replace(",", ""))
        except ValueError:
            value = smallest - 1
        if not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {smallest:,} to {largest:,}")
        return value

    return cast("Callable[[str], int]", read)
