"""``manage.py generate_traffic``: visitors that are none, for demonstrations."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogUnavailable
from speedscale.lab.querylogs import NoQueries
from speedscale.lab.spawning import own_url
from speedscale.lab.traffic import flood, paths_of_visitors, send_open_loop

MAX_RATE = 500.0


class Command(BaseCommand):
    help = "Ask this project's web server for pages as visitors would; the dashboard shows them as generated."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--url", default="", help="where it listens (default: HOST and PORT)")
        parser.add_argument("--rate", type=float, default=10.0, help="requests a second (default: %(default)s)")
        parser.add_argument("--seconds", type=float, default=600.0, help="for so long (default: %(default)s)")
        parser.add_argument("--seed", type=int, default=1, help="of what they ask for")
        parser.add_argument("--flood", default="", metavar="PATH", help="ask for this alone, as fast as possible")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        if not 0.1 <= options["rate"] <= MAX_RATE or not 0.1 <= options["seconds"] <= 86_400:
            raise CommandError(f"Ask 0.1 to {MAX_RATE:.0f} times a second, for at most a day.")
        url = options["url"].rstrip("/") or own_url()
        if options["flood"]:
            counts = flood(url, options["flood"], seconds=min(options["seconds"], 30.0))
        else:
            stopping = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopping.set())
            try:
                paths = paths_of_visitors(seed=options["seed"])
            except (NoQueries, CatalogUnavailable) as error:
                raise CommandError(str(error)) from error
            counts = send_open_loop(url, paths, rate=options["rate"], seconds=options["seconds"], stop=stopping.is_set)
        self.stdout.write(
            ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "nothing sent"
        )
