"""``manage.py prepare``: collections, indexes, tables, and products where there are none. Safe to run at any time."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from catalog.errors import CatalogUnavailable
from catalog.indexes import IndexConflict
from speedscale.running.preparation import prepare
from speedscale.running.report import Report


class Command(BaseCommand):
    help = "Create collections, indexes and tables in MongoDB; seed an empty catalogue. Run it once for each release."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--no-seed", action="store_true", help="leave an empty catalogue empty")
        parser.add_argument(
            "--warm",
            type=int,
            default=settings.WARM_CACHE,
            metavar="N",
            help="put the N most wanted searches and products into the caches (default: WARM_CACHE, %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            seed = settings.AUTO_SEED and not options["no_seed"]
            prepare(Report(self.stdout), seed=seed, warm=options["warm"])
        except (CatalogUnavailable, IndexConflict, DatabaseError) as error:
            raise CommandError(str(error).partition(", Timeout:")[0]) from error
