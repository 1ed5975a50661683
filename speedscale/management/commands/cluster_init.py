"""``manage.py cluster_init``: make a replica set or a sharded cluster of servers that run."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from catalog.cluster.carrying_out import Setting, carry_out, plan_of_uri
from catalog.cluster.initiating import InitError, Outcome
from catalog.cluster.nodes import Access
from catalog.cluster.plan import ClusterPlan, PlanError, make_plan


class Command(BaseCommand):
    help = (
        "Initiate replica sets, add shards, create and shard the collections with validators and indexes, create "
        "accounts. Every step looks first: run it as often as you like, also after an interruption. Without arguments "
        "it takes the servers of MONGO_URI. The passwords of the accounts to create come from MONGO_ROOT_PASSWORD and "
        "MONGO_PASSWORD."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--replica-set", action="append", default=[], metavar="NAME/HOST,HOST,HOST")
        parser.add_argument("--config", default="", metavar="NAME/HOST,HOST,HOST", help="config servers")
        parser.add_argument("--shard", action="append", default=[], metavar="NAME/HOST,HOST,HOST")
        parser.add_argument("--mongos", default="", metavar="HOST:PORT")
        parser.add_argument(
            "--zone", action="append", default=[], metavar="ZONE=SHARD,SHARD", help="an even part of the ids each"
        )
        parser.add_argument("--key-file", type=Path, help="the members' key, for a cluster that has no account yet")
        parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="for servers to answer")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        done: list[Outcome] = []
        try:
            for outcome in carry_out(_plan(options), _setting(options)):
                done.append(outcome)
                if not options["json"]:
                    mark = "done" if outcome.changed else "unchanged"
                    self.stdout.write(f"  {outcome.step:<48} {mark:<10} {outcome.detail}".rstrip())
                    self.stdout.flush()
        except (InitError, PlanError, OSError, ValueError) as error:
            if options["json"]:
                self.stdout.write(_as_json(done, error=str(error)))
            raise CommandError(f"{error}. What is done stays; run it again.") from error
        if options["json"]:
            self.stdout.write(_as_json(done))


def _as_json(done: list[Outcome], *, error: str = "") -> str:
    steps = [{"step": one.step, "changed": one.changed, "detail": one.detail} for one in done]
    changed = sum(one.changed for one in done)
    return json.dumps({"ok": not error, "error": error or None, "changed": changed, "steps": steps}, indent=2)


def _plan(options: dict[str, Any]) -> ClusterPlan:
    plan = make_plan(
        sets=options["replica_set"],
        config=options["config"],
        shards=options["shard"],
        mongos=options["mongos"],
        zones=options["zone"],
    )
    if plan.all_sets or plan.mongos:
        return plan
    return plan_of_uri(settings.MONGO_URI)


def _setting(options: dict[str, Any]) -> Setting:
    root = os.environ.get("MONGO_ROOT_PASSWORD", "")
    accesses = [Access.of_key_file(options["key_file"])] if options["key_file"] else []
    if root:
        accesses.append(Access.of_account("root", root))
    if not accesses:
        accesses.append(Access.of_uri(settings.MONGO_URI) if settings.MONGO_URI else Access())
    return Setting(
        accesses=accesses,
        database=settings.MONGO_DB,
        root_password=root if options["key_file"] else "",
        web_password=os.environ.get("MONGO_PASSWORD", ""),
        timeout_seconds=options["timeout"],
    )
