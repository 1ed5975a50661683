"""``manage.py backup``: the whole database at one moment, into a directory."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.backup.archive import BackupError
from catalog.backup.taking import prune, take_backup
from catalog.errors import CatalogUnavailable
from catalog.mongo import commanding


class Command(BaseCommand):
    help = (
        "Write all collections as they are at one moment, compressed and with checksums, into a new directory below "
        "DIRECTORY. The shop goes on meanwhile."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("--keep", type=int, default=0, metavar="N", help="then remove all but the last N")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            with commanding() as database:
                manifest = take_backup(database, options["directory"], say=self.stdout.write)
                for path in prune(options["directory"], database.name, keep=options["keep"]):
                    self.stdout.write(f"removed {path}")
        except (BackupError, CatalogUnavailable, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{manifest.documents:,} documents, {manifest.bytes_stored:,} bytes")
