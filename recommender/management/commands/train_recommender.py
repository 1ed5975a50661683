"""``manage.py train_recommender``: train a model, prove it, store its neighbours, make it live; list and roll back."""

from __future__ import annotations

import argparse
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogUnavailable
from catalog.progress import Progress, shown_on
from recommender import repository
from recommender.diversity import Selection
from recommender.models import ModelRefused, TrainingRunning
from recommender.neighbours import EXACT_LIMIT
from recommender.reporting import model_table, print_trained
from recommender.repository import ActiveModel
from recommender.staleness import last_training, staleness
from recommender.training import TrainingOptions, activate, train
from recommender.vectors import NothingToLearn
from recommender.workers import WorkerFailed

_REFUSED = 3
"""Exit status of a training whose model did not go live, so that a cron can tell it from an error."""


class Command(BaseCommand):
    help = "Train the model of similar products, measure it, store every product's neighbours, and make it live."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--limit", type=_count, default=0, metavar="N", help="the N most popular products only")
        parser.add_argument("--list", action="store_true", help="show the models that are kept, and train nothing")
        parser.add_argument("--activate", metavar="VERSION", help="make a kept model live again, and train nothing")
        parser.add_argument("--force", action="store_true", help="go live even if the metrics are worse")
        parser.add_argument("--margin", type=_share, default=0.05, help="how far a metric may fall (default 0.05)")
        parser.add_argument("--diversity", type=_share, default=0.25, help="0: similarity alone; 1: variety alone")
        parser.add_argument("--processes", type=_count, default=2, help="processes that write neighbours (default 2)")
        parser.add_argument(
            "--exact-limit", type=_count, default=EXACT_LIMIT, help="search within clusters above so many products"
        )
        parser.add_argument("--if-stale", action="store_true", help="train only if the live model is out of date")
        parser.add_argument("--max-age", type=float, default=7.0, metavar="DAYS", help="with --if-stale (default 7)")
        parser.add_argument("--max-changed", type=_share, default=0.1, help="with --if-stale (default 0.1)")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            before = repository.get_active()
            try:
                self._run(options)
            except KeyboardInterrupt:
                raise CommandError(_interrupted(before), returncode=128 + signal.SIGINT) from None
        except (CatalogUnavailable, ModelRefused, TrainingRunning, NothingToLearn, WorkerFailed) as error:
            raise CommandError(str(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        if options["list"]:
            self.stdout.write(model_table())
        elif options["activate"]:
            manifest = activate(options["activate"], force=options["force"])
            self.stdout.write(f"Model {manifest.version} is live: {manifest.products:,} products.")
        else:
            self._train(options)

    def _train(self, options: dict[str, Any]) -> None:
        if options["if_stale"]:
            reason = staleness(max_age_days=options["max_age"], max_changed=options["max_changed"])
            if not reason:
                self.stdout.write(_fresh())
                return
            self.stdout.write(f"Training, because {reason}.")
        trained = train(
            TrainingOptions(
                limit=options["limit"],
                margin=options["margin"],
                force=options["force"],
                processes=options["processes"],
                exact_limit=options["exact_limit"],
                selection=Selection(diversity=options["diversity"]),
            ),
            shown_on(self.stdout) if options["verbosity"] else Progress(),
        )
        if options["verbosity"]:
            print_trained(self.stdout, trained)
        if trained.refused:
            raise CommandError(
                f"Model {trained.manifest.version} does not go live: {trained.refused}. The live model stays; "
                f"--activate {trained.manifest.version} --force overrules this.",
                returncode=_REFUSED,
            )


def _interrupted(before: ActiveModel | None) -> str:
    """Say what an interrupt has left live."""
    try:
        live = repository.get_active()
    except CatalogUnavailable:
        return "Interrupted; MongoDB does not answer, so --list will tell which model is live."
    if live is None:
        return "Interrupted; there is no live model yet."
    if before is not None and before.version == live.version:
        return f"Interrupted; the live model, {live.version}, is untouched."
    return f"Interrupted, but model {live.version} had gone live before that."


def _fresh() -> str:
    last = last_training()
    if last is not None and last[1]:
        return (
            f"Model {last[0].version} was refused ({last[1]}), and little has changed since; nothing to do. "
            f"--activate {last[0].version} --force overrules this."
        )
    return "The live model is fresh enough; nothing to do."


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be a number from 0 to 1")
    return value
