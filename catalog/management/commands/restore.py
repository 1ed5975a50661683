"""``manage.py restore``: a backup into a database."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cachelayer.engine import invalidate
from cachelayer.invalidation.announcements import EVERYTHING
from catalog.backup.archive import BackupError
from catalog.backup.restoring import restore
from catalog.errors import CatalogUnavailable
from catalog.mongo import commanding


class Command(BaseCommand):
    help = (
        "Load a backup. It is read and checked as a whole before anything is touched, loaded under other names, "
        "compared by count and content, and only then put in place."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--database", default=settings.MONGO_DB, help="default: MONGO_DB (%(default)s)")
        parser.add_argument("--replace", action="store_true", help="collections that hold documents may be replaced")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            with commanding() as database:
                target = database.client[options["database"]]
                manifest = restore(options["directory"], target, replace=options["replace"], say=self.stdout.write)
        except (BackupError, CatalogUnavailable) as error:
            raise CommandError(str(error)) from error
        if options["database"] == settings.MONGO_DB:
            # Whatever was cached is of the products before.
            invalidate(tags=[EVERYTHING])
        self.stdout.write(f"{manifest.documents:,} documents restored into {options['database']}")
