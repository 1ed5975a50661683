"""``manage.py add_shard``: one more shard for a running cluster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from catalog.cluster.carrying_out import plan_of_uri
from catalog.cluster.plan import PlanError


class Command(BaseCommand):
    help = (
        "Make a replica set of the named servers and add it as a shard. The balancer then moves chunks to it; "
        "`manage.py cluster_status` shows how far it is."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shard", metavar="NAME/HOST,HOST,HOST")
        parser.add_argument("--mongos", default="", metavar="HOST:PORT", help="default: the one of MONGO_URI")
        parser.add_argument("--key-file", type=Path)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            mongos = options["mongos"] or plan_of_uri(settings.MONGO_URI).mongos
        except PlanError as error:
            raise CommandError(str(error)) from error
        if not mongos:
            raise CommandError("MONGO_URI names a replica set, and shards are added through mongos: --mongos host:port")
        call_command(
            "cluster_init",
            shard=[options["shard"]],
            mongos=mongos,
            key_file=options["key_file"],
            json=options["json"],
            stdout=self.stdout,
        )
