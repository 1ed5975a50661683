"""``manage.py cluster_drill``: what a failover costs, tried out."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from catalog.cluster.load import Load
from speedscale.cluster.drill import FAULTS, DrillReport, Stage, own_stage, run_drill
from speedscale.cluster.redis_drill import RedisDrillReport, run_redis_drill
from speedscale.embedded.faults import FaultySet
from speedscale.embedded.process import ServerError


class Command(BaseCommand):
    help = (
        "Load a replica set with reads and w=majority writes, and kill, pause and step down its primary. By default on "
        "three nodes of its own, which it starts and removes; with --running on those of `manage.py up --topology "
        "replicaset`. With --redis: the master of a group under Sentinels. Exit status 0 where no acknowledged write "
        "was lost and no page failed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--running", action="store_true", help="drill the servers of the settings")
        parser.add_argument(
            "--i-mean-it",
            action="store_true",
            help="with --running: step down the primary of servers that are not embedded",
        )
        parser.add_argument("--fault", action="append", choices=FAULTS, help="default: all, one after the other")
        parser.add_argument(
            "--election-timeout-ms", type=int, default=10_000, help="of the drill's own nodes (MongoDB's default)"
        )
        parser.add_argument("--redis", action="store_true", help="drill Redis under Sentinels instead")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        if options["load"]:
            self._be_the_load()
            return
        directory = Path(tempfile.mkdtemp(prefix="speedscale-drill-"))
        try:
            report = self._drill(directory, options)
        except ServerError as error:
            raise CommandError(str(error)) from error
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        self.stdout.write(json.dumps(report.as_json(), indent=2) if options["json"] else "\n".join(report.lines()))
        if not report.ok:
            sys.exit(1)

    def _drill(self, directory: Path, options: dict[str, Any]) -> DrillReport | RedisDrillReport:
        def say(text: str) -> None:
            self.stderr.write(text)

        if options["redis"]:
            return run_redis_drill(directory, base_dir=settings.BASE_DIR, environment={}, say=say)
        faults = options["fault"] or list(FAULTS)
        if options["running"]:
            stage = self._running_stage(options, faults)
            environment = {"SECRET_KEY": settings.SECRET_KEY, "MONGO_DB": settings.MONGO_DB}
            return run_drill(stage, faults=faults, base_dir=settings.BASE_DIR, environment=environment, say=say)
        environment = {"SECRET_KEY": "only-for-a-drill-" + "x" * 40, "DATA_DIR": str(directory), "MONGO_DB": "drill"}
        with own_stage(directory, election_timeout_ms=options["election_timeout_ms"]) as stage:
            return run_drill(stage, faults=faults, base_dir=settings.BASE_DIR, environment=environment, say=say)

    def _running_stage(self, options: dict[str, Any], faults: list[str]) -> Stage:
        if not settings.MONGO_URI:
            raise CommandError("nothing runs: `manage.py up --topology replicaset` in another terminal")
        if not settings.EMBEDDED:
            if not options["i_mean_it"]:
                raise CommandError(
                    "MONGO_URI names servers that are not embedded; a drill interrupts their writes. "
                    "Say --i-mean-it if that is meant."
                )
            if faults != ["stepdown"]:
                raise CommandError("servers of others can only be stepped down: --fault stepdown")
        elif "," not in settings.MONGO_URI:
            raise CommandError("one MongoDB has no failover: start `manage.py up --topology replicaset`")
        return Stage(settings.MONGO_URI, settings.REDIS_URL, FaultySet(settings.MONGO_URI))

    def _be_the_load(self) -> None:
        load = Load()
        load.start()
        self.stdout.write("loading")
        self.stdout.flush()
        sys.stdin.readline()
        self.stdout.write(json.dumps(load.stop()))
