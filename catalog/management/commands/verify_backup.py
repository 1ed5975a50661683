"""``manage.py verify_backup``: whether a backup is whole."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.backup.archive import BackupError, verify


class Command(BaseCommand):
    help = "Read a whole backup and compare it with its checksums. Asks no server."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            manifest = verify(options["directory"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"whole: {manifest.documents:,} documents of {manifest.database}, taken {manifest.taken_at}")
