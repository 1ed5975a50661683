"""``manage.py reindex_search``: what search keeps about products and words, brought up to date beside live search."""

from __future__ import annotations

import argparse
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from pymongo.errors import PyMongoError

from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.indexes import IndexConflict, ensure_collections, ensure_indexes
from catalog.progress import shown_on
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.learning import drift
from catalog.vocabulary.reindexing import reindex_products


class Command(BaseCommand):
    help = (
        "Analyse products anew that an older version has analysed, and count the words of all products. Search goes "
        "on meanwhile, with the old words until the new ones are complete. Interrupted, it goes on with the products "
        "and words that are left; only the numbering of products at the end begins anew."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--status", action="store_true", help="only tell how far the counted words are behind")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            database = mongo.command_database()
            if options["status"]:
                self._tell_drift(database)
                return
            self._reindex(database)
        except (PyMongoError, IndexConflict, CatalogUnavailable) as error:
            raise CommandError(str(error).partition(" (configured timeouts")[0][:300]) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Run the same command again to go on.", returncode=130) from None

    def _reindex(self, database: mongo.Documents) -> None:
        started = time.perf_counter()
        progress = shown_on(self.stdout)
        try:
            ensure_collections(database)
            ensure_indexes(database)
            products = reindex_products(database, progress)
            terms = build_vocabulary(database, progress)
        finally:
            progress.end()
        self.stdout.write(
            f"{products:,} products analysed anew, {terms:,} terms counted in {time.perf_counter() - started:,.1f} s"
        )

    def _tell_drift(self, database: mongo.Documents) -> None:
        behind = drift(database)
        if not behind.products:
            self.stdout.write("No words have been counted by this version yet: run `manage.py reindex_search`.")
            return
        self.stdout.write(
            f"{behind.products:,} products counted, {behind.changed:,} changed since ({behind.share:.1%})"
        )
