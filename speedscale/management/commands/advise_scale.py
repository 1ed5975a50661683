"""``manage.py advise_scale``: how many web nodes the present load needs."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cachelayer.server.state import read_redis
from cachelayer.telemetry import read_window
from speedscale.cluster.advisor import Advisor, Limits, load_of, nodes_needed


class Command(BaseCommand):
    help = (
        "Advise how many web nodes the load of the last minute needs. With --watch: every 10 seconds, following the "
        "load without going back and forth."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--nodes", type=int, default=0, help="how many there are (default: those that Redis knows)")
        parser.add_argument("--minimum", type=int, default=2)
        parser.add_argument("--maximum", type=int, default=50)
        parser.add_argument("--p95-ms", type=float, default=250.0, help="slower than this counts as queueing")
        parser.add_argument("--watch", action="store_true")
        parser.add_argument("--json", action="store_true", help="print one JSON object for each advice")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        limits = Limits(
            threads_per_node=settings.WEB_CONCURRENCY * settings.WEB_THREADS,
            minimum=options["minimum"],
            maximum=options["maximum"],
            p95_ms=options["p95_ms"],
        )
        nodes = options["nodes"] or read_redis(settings.REDIS_URL).application_hosts or 1
        advisor = Advisor(limits, nodes=nodes)
        while True:
            load = load_of(read_window("1m"))
            if options["watch"]:
                advice = advisor.observe(load)
                wanted, reason = advice.nodes, advice.reason
            else:
                wanted, reason = nodes_needed(load, limits, nodes=nodes), "the last minute"
            told = {
                "nodes": nodes,
                "wanted": wanted,
                "reason": reason,
                "requests_per_second": round(load.requests_per_second, 2),
                "in_flight": round(load.in_flight, 3),
                "p95_ms": round(load.p95_ms, 1),
            }
            if options["json"]:
                self.stdout.write(json.dumps(told))
            else:
                self.stdout.write(
                    f"{wanted} nodes ({reason}): {told['requests_per_second']} requests a second, {told['in_flight']} "
                    f"at a time, p95 {told['p95_ms']} ms; {limits.threads_per_node} threads a node"
                )
            if not options["watch"]:
                return
            self.stdout.flush()
            time.sleep(10)
