"""``manage.py evaluate_recommender``: how good are neighbours by text, on products and baskets of one's own?"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogUnavailable
from catalog.repository import stream_products
from recommender.baskets import BadBaskets, evaluate_baskets
from recommender.hidden import evaluate_without
from recommender.reporting import metrics_table
from recommender.vectors import NothingToLearn


class Command(BaseCommand):
    help = (
        "Measure neighbours by text. Without options: the products of the catalogue, with a field hidden from the "
        "model, so that it cannot simply read what it is asked for. With --baskets: does what is bought together "
        "resemble each other? Writes nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--hide", choices=["type", "category", "both", "nothing"], default="type", help="kept from the model"
        )
        parser.add_argument("--limit", type=int, default=0, metavar="N", help="the N most popular products only")
        parser.add_argument(
            "--baskets",
            type=Path,
            metavar="FILE",
            help="CSV, plain or gzip, with InvoiceNo, StockCode, Description, Quantity, InvoiceDate",
        )
        parser.add_argument(
            "--test-from",
            type=datetime.fromisoformat,
            default=datetime(2011, 11, 1),
            metavar="DATE",
            help="baskets from this day on are asked about, those before are learned from",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            if options["baskets"]:
                result = evaluate_baskets(options["baskets"], test_from=options["test_from"])
                self.stdout.write(
                    f"{result.items:,} items, {result.learned:,} baskets learned from, {result.asked:,} asked about: "
                    f"given all but the last line of a basket, is that line among the first {result.at}?"
                )
                for name, rate in result.rates.items():
                    self.stdout.write(f"  HR@{result.at} {name:<44} {rate:.3f}")
                return
            hidden = evaluate_without(stream_products(limit=options["limit"]), hide=options["hide"])
        except (BadBaskets, CatalogUnavailable, NothingToLearn, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{hidden.products:,} products, {hidden.with_type:,} with a type; hidden from the model: {options['hide']}."
        )
        self.stdout.write(metrics_table(hidden.metrics))
