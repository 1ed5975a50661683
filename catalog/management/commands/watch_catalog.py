"""``manage.py watch_catalog``: keep the caches true to what others write into MongoDB."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from catalog.watching import watch


class Command(BaseCommand):
    help = (
        "Follow MongoDB's change stream and invalidate what was cached of products that anybody changes: another tool, "
        "a shell, another node. Runs until it is stopped, and goes on where it ended. `manage.py up` runs it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        self.stdout.write("Watching the catalogue for changes.")
        watch(stopping)
