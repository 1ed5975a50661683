"""What a database needs before requests come: collections, indexes, Django's tables, products, a model.

Every step is idempotent and looks first, so that a start with nothing to do is quick.
"""

from __future__ import annotations

from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from cachelayer.server.door import RedisUnavailable
from catalog.derived import catch_up, is_behind
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes
from catalog.mongo import commanding
from catalog.progress import Progress
from catalog.vocabulary.reindexing import is_outdated
from speedscale.running.report import Report
from speedscale.warming import warm_cache

_MODELS, _ACTIVE = "models", "active"
_TRAIN_COMMAND = "train_recommender"


def prepare(report: Report, *, seed: bool, warm: int = 0) -> None:
    """Prepare the database that the settings name.

    Args:
        report: where finished steps are told.
        seed: whether an empty catalogue gets ``SEED_TARGET`` products.
        warm: how many searches and products are put into the caches; 0 for none.
    """
    with commanding() as database:
        with report.step("collections and indexes"):
            ensure_collections(database)
            ensure_indexes(database)
        migrate(report)
        products = database[PRODUCTS]
        if seed and settings.SEED_TARGET and not products.estimated_document_count():
            report.say(f"  the catalogue is empty: seeding {settings.SEED_TARGET:,} products")
            call_command("seed", "--count", str(settings.SEED_TARGET))
        count = products.estimated_document_count()
        if count and is_outdated(database):
            report.say("  search has not analysed these products yet, or with an older version: reindexing")
            call_command("reindex_search")
        if is_behind(database):
            with report.step("categories and words counted, which an import or a seed did not come to"):
                catch_up(database)
        if count and _TRAIN_COMMAND in get_commands() and not database[_MODELS].find_one({"_id": _ACTIVE}):
            train(report)
        report.say(f"  {count:,} products in database {settings.MONGO_DB}")
    if warm > 0 and count:
        warm_up(report, top=warm)


def train(report: Report) -> None:
    """Train a first model; without one, similar products come from the category, so a failure stops nothing."""
    report.say("  there is no recommendation model: training one")
    try:
        call_command(_TRAIN_COMMAND, verbosity=0)
    except CommandError as error:
        report.say(f"  no model: {error}")


def warm_up(report: Report, *, top: int) -> None:
    """Put the most wanted answers into the caches; a failure stops nothing, they only stay cold."""
    try:
        with report.step("caches warmed") as step:
            warmed = warm_cache(top=top, progress=Progress())
            step.text = f"caches warmed: {warmed.loaded:,} answers loaded, {warmed.present:,} were there"
    except (CatalogUnavailable, RedisUnavailable) as error:
        report.say(f"  the caches stay cold: {error}")


def migrate(report: Report) -> None:
    """Bring the tables of accounts, sessions and the admin up to date."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with report.step("tables of accounts and sessions"):
            call_command("migrate", interactive=False, verbosity=0)
