"""``manage.py up``: everything that SpeedScale needs, started in order and stopped by Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from speedscale.embedded.process import ServerError
from speedscale.env import Env
from speedscale.running.report import Report
from speedscale.running.supervisor import PreparationFailed, RunOptions, Supervisor


class Command(BaseCommand):
    help = "Start MongoDB and Redis unless MONGO_URI and REDIS_URL name others, prepare the database, serve on PORT."
    # The checks belong to `manage.py check`; some would ask for the database, which is not there yet.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--no-seed", action="store_true", help="leave an empty catalogue empty")
        parser.add_argument(
            "--topology",
            choices=("single", "replicaset"),
            default="single",
            help="one embedded MongoDB, or a replica set of three with data of its own (default: %(default)s)",
        )
        parser.add_argument(
            "--warm",
            type=int,
            default=settings.WARM_CACHE,
            metavar="N",
            help="put the N most wanted searches and products into the caches first (default: WARM_CACHE, %(default)s)",
        )

        parser.add_argument("--demo", action="store_true", help="let generated visitors come, and open the dashboard")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        run_options = RunOptions(
            base_dir=settings.BASE_DIR,
            data_dir=settings.DATA_DIR,
            host=settings.HOST,
            port=settings.PORT,
            allowed_hosts=settings.ALLOWED_HOSTS,
            mongo_uri="" if settings.EMBEDDED else settings.MONGO_URI,
            redis_url=settings.REDIS_URL if Env().is_set("REDIS_URL") else "",
            seed=settings.AUTO_SEED and not options["no_seed"],
            warm=options["warm"],
            topology=options["topology"],
            demo=options["demo"],
            # A set of several nodes starts a member anew as soon as it ends, which is no failure to watch.
            switchboard=settings.EMBEDDED
            and not Env().is_set("REDIS_URL")
            and not settings.HTTPS
            and options["topology"] == "single",
        )
        try:
            Supervisor(run_options, Report(self.stdout)).run()
        except PreparationFailed as error:
            sys.exit(error.status)
        except ServerError as error:
            raise CommandError(str(error)) from error
