"""``manage.py remove_shard``: empty a shard and take it out of the cluster."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from catalog.cluster.carrying_out import plan_of_uri
from catalog.cluster.initiating import InitError
from catalog.cluster.nodes import Access
from catalog.cluster.plan import PlanError
from catalog.cluster.sharding import drain_shard, move_databases, router

_STILL_DRAINING = 3


class Command(BaseCommand):
    help = (
        "Have the balancer move a shard's chunks to the others, and remove it once it is empty. Interrupt it and run "
        "it again as you like. Exit status 0: removed, 3: still draining."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shard")
        parser.add_argument("--mongos", default="", metavar="HOST:PORT", help="default: the one of MONGO_URI")
        parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long to watch it drain")
        parser.add_argument(
            "--move-databases",
            action="store_true",
            help="give databases that are at home there another home; writes to their unsharded collections fail "
            "meanwhile",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        root = os.environ.get("MONGO_ROOT_PASSWORD", "")
        try:
            mongos = options["mongos"] or plan_of_uri(settings.MONGO_URI).mongos
            if not mongos:
                raise CommandError("MONGO_URI names a replica set; shards are removed through mongos: --mongos")
            access = Access.of_account("root", root) if root else Access.of_uri(settings.MONGO_URI)
            with router(access, mongos) as client:
                deadline = time.monotonic() + options["wait"]
                while True:
                    draining = drain_shard(client, options["shard"])
                    homes = ", ".join(draining.databases_to_move) or "none"
                    self.stdout.write(
                        f"{draining.shard}: {draining.state}, {draining.chunks_left} chunks left, "
                        f"databases at home there: {homes}"
                    )
                    if draining.done:
                        return
                    if options["move_databases"] and draining.databases_to_move and not draining.chunks_left:
                        for outcome in move_databases(client, draining):
                            self.stdout.write(f"{outcome.step}: {outcome.detail}")
                        continue
                    if time.monotonic() >= deadline:
                        sys.exit(_STILL_DRAINING)
                    time.sleep(min(5.0, max(deadline - time.monotonic(), 0.1)))
        except (InitError, PlanError) as error:
            raise CommandError(str(error)) from error
