"""``manage.py capacity``: what a catalogue of this size and this load need."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields, replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS
from catalog.mongo import commanding
from catalog.vocabulary.numbering import count_builds
from catalog.vocabulary.postings import POSTINGS
from catalog.vocabulary.store import TERMS
from speedscale.cluster.capacity import MEASURED, Assumptions, Need, assumption_lines, compute, measured_from
from speedscale.cluster.printing import human_bytes

_ENOUGH_PRODUCTS = 10_000


class Command(BaseCommand):
    help = "Compute memory, disk, shards and web nodes for a number of products and a load; shows what it assumes."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--products", type=float, required=True, help="such as 100e6")
        parser.add_argument("--rps", type=float, required=True, help="requests a second at the peak")
        parser.add_argument("--hit-ratio", type=float, default=0.8, help="share that caches answer (default 0.8)")
        parser.add_argument("--assume", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument("--measure", action="store_true", help="take sizes from the catalogue of MONGO_URI")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        if options["products"] < 1 or options["rps"] < 0 or not 0 <= options["hit_ratio"] <= 1:
            raise CommandError("--products from 1, --rps from 0, --hit-ratio from 0 to 1")
        assumptions = _with_given(self._measured() if options["measure"] else Assumptions(), options["assume"])
        need = Need(int(options["products"]), options["rps"], options["hit_ratio"])
        found = compute(need, assumptions)
        if options["json"]:
            told = {"need": asdict(need), "capacity": asdict(found), "assumptions": asdict(assumptions)}
            self.stdout.write(json.dumps(told, indent=2))
            return
        servers = found.shards * found.members_per_shard
        lines = [
            f"{need.products:,} products, {need.requests_per_second:,.0f} requests a second, "
            f"{need.hit_ratio:.0%} from caches",
            "",
            f"  products in memory     {human_bytes(found.data_bytes)}",
            f"  indexes                {human_bytes(found.index_bytes)}",
            f"  terms and lists        {human_bytes(found.search_bytes)}",
            f"  on disk                {human_bytes(found.disk_bytes)} on each member, if there is one shard",
            f"  working set            {human_bytes(found.working_set_bytes)}",
            f"  shards                 {found.shards} (by {found.shards_because}), of 3 members: {servers} data nodes",
            f"  asked of MongoDB       {found.cold_rps:,.0f} a second",
            f"  web workers            {found.workers}, on {found.web_nodes} web nodes of which one may be away",
            f"  Redis                  {human_bytes(found.redis_bytes)}",
            "",
            "Assumptions:",
            *assumption_lines(assumptions),
            "Measured: " + ("sizes of this catalogue" if options["measure"] else MEASURED),
        ]
        self.stdout.write("\n".join(lines))

    def _measured(self) -> Assumptions:
        try:
            with commanding() as database:
                told, terms, lists = (database.command("collStats", name) for name in (PRODUCTS, TERMS, POSTINGS))
                builds = count_builds(database)
        except CatalogUnavailable as error:
            raise CommandError(str(error)) from error
        if told["count"] < _ENOUGH_PRODUCTS:
            raise CommandError(f"{told['count']:,} products are too few to measure by; {_ENOUGH_PRODUCTS:,} suffice")
        return measured_from(told, Assumptions(), terms=terms, lists=lists, builds=builds)


def _with_given(base: Assumptions, given: list[str]) -> Assumptions:
    known = {one.name for one in fields(base)}
    for text in given:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in known or number <= 0:
            raise CommandError(f"--assume {text}: expected NAME=VALUE with one of {', '.join(sorted(known))}")
        base = replace(base, **{name: number})
    return base
