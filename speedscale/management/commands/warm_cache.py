"""``manage.py warm_cache``: fill the caches with what will be asked for first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError

from cachelayer.server.door import RedisUnavailable
from catalog.errors import CatalogUnavailable
from catalog.progress import shown_on
from speedscale.warming import DEFAULT_RATE, Warmed, warm_cache

_INTERRUPTED = 130  # What a shell expects of a command that Ctrl-C ended.


class Command(BaseCommand):
    help = (
        "Put the most wanted answers into the caches, as after a start or when Redis has lost its memory: the home "
        "page's lists, the searches that people have asked for lately (where these are too few, the names of the "
        "largest categories), and the most popular products with their similar ones. What is cached already is left "
        "as it is."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--top",
            type=_number(1, 100_000),
            default=200,
            metavar="N",
            help="how many searches, and how many products (default: %(default)s)",
        )
        parser.add_argument(
            "--rate",
            type=_number(1, 10_000),
            default=DEFAULT_RATE,
            metavar="R",
            help="at most so many reads a second, so that visitors do not notice (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            warmed = warm_cache(top=options["top"], rate=options["rate"], progress=shown_on(self.stdout))
        except CatalogUnavailable as error:
            raise CommandError(f"MongoDB does not answer: {error}") from error
        except RedisUnavailable as error:
            raise CommandError(f"Redis does not answer, so nothing can be kept: {error}") from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. What is cached stays cached.")
            sys.exit(_INTERRUPTED)
        self.stdout.write(_summary(warmed))


def _summary(warmed: Warmed) -> str:
    gone = f", {warmed.gone:,} products vanished meanwhile" if warmed.gone else ""
    return (
        f"{warmed.loaded:,} answers loaded, {warmed.present:,} were cached already{gone}: "
        f"{warmed.queries:,} searches ({warmed.trending:,} of them asked for lately) and "
        f"{warmed.products:,} products in {warmed.seconds:.1f} s."
    )


def _number(smallest: int, largest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and smallest <= int(text) <= largest):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {smallest:,} to {largest:,}")
        return int(text)

    return cast("Callable[[str], int]", read)
