"""``manage.py evaluate_search``: how good search is on judged queries, beside a baseline on the same products."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.test.utils import override_settings

from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.evaluation.judgements import UnusableJudgements, read_judgements
from catalog.evaluation.metrics import Metrics
from catalog.evaluation.run import Evaluation, evaluate, load_products
from catalog.importing.errors import DamagedFile, ImportFailed
from catalog.importing.mapping_file import mapping_from_options
from catalog.vocabulary.store import lexicon
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.process import ServerError

_ROWS = (
    ("NDCG@10", "ndcg"),
    ("NDCG@10, judged only", "ndcg_judged"),
    ("MRR@10", "mrr"),
    ("recall@50", "recall"),
    ("nothing found", "nothing_found"),
)


class Command(BaseCommand):
    help = (
        "Search for judged queries in a temporary database that holds the products of a file, with the code that "
        "serves, and compare with BM25 of SQLite's FTS5. Uses MONGO_URI or, without one, a MongoDB of its own."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--products", required=True, type=Path, help="products, as import_products reads them")
        parser.add_argument("--judgments", required=True, type=Path, help="CSV: query,product_id,grade (0 to 3)")
        parser.add_argument(
            "--map",
            action="append",
            default=None,
            metavar="MAPPING",
            help="as of import_products; default: catalog/mappings/icecat.toml",
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        maps = options["map"] or [str(settings.BASE_DIR / "catalog" / "mappings" / "icecat.toml")]
        try:
            judgements = read_judgements(options["judgments"])
            mapping = mapping_from_options(maps, [])
            with _temporary_database():
                found = evaluate(judgements, products=load_products(options["products"], mapping))
        except (UnusableJudgements, ImportFailed, DamagedFile, CatalogUnavailable, ServerError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(_report(found), indent=2))
        else:
            self._print(found)

    def _print(self, found: Evaluation) -> None:
        ours, baseline = found.ours, found.baseline
        self.stdout.write(f"{found.products:,} products, {ours.queries} queries with a relevant product among them")
        if found.missing:
            self.stdout.write(f"{found.missing:,} judged products are not in the file")
        self.stdout.write(f"{'':<22}{'search':>8}{'BM25':>8}{'':>4}difference")
        for label, name in _ROWS:
            mine, other = getattr(ours, name), getattr(baseline, name)
            self.stdout.write(f"{label:<22}{mine:>8.3f}{other:>8.3f}{'':>4}{mine - other:+.3f}")
        typos = found.typos
        self.stdout.write(
            f"{typos.queries:,} queries with one typing error: {typos.found:.1%} have the first result of the clean "
            f"query among the first 3; {typos.clean_changed} clean queries were changed"
        )


@contextmanager
def _temporary_database() -> Iterator[None]:
    with ExitStack() as cleanup:
        name = f"speedscale_evaluation_{os.getpid()}"
        # What is measured is how good the answers are, on however busy a machine.
        changed: dict[str, Any] = {"MONGO_DB": name, "SEARCH_BUDGET_MS": 10_000, "MONGO_TIMEOUT_MS": 60_000}
        if not settings.MONGO_URI:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="speedscale-evaluation-")))
            server = MongodServer(folder / "mongodb")
            cleanup.callback(server.stop)
            changed["MONGO_URI"] = server.uri
        cleanup.enter_context(override_settings(**changed))
        mongo.close()
        cleanup.callback(mongo.close)
        cleanup.callback(lexicon.forget)
        lexicon.forget()
        cleanup.callback(lambda: mongo.command_database().client.drop_database(name))
        yield


def _report(found: Evaluation) -> dict[str, Any]:
    def metrics(of: Metrics) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(of).items()}

    return {
        "products": found.products,
        "missing": found.missing,
        "search": metrics(found.ours),
        "baseline": metrics(found.baseline),
        "typos": asdict(found.typos),
    }
