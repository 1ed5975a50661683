"""``manage.py advise_scale``: how many web nodes the present load needs."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cachelayer.server.state import read_redis
from cachelayer.telemetry import read_window
from speedscale.cluster.advisor import Advice, Advisor, Limits, Load, load_of, nodes_needed

BLIND = "the load is not known, because Redis, through which all nodes tell theirs, does not answer"
_ONCE = "the last minute"


class Command(BaseCommand):
    help = (
        "Advise how many web nodes the load of the last minute needs. With --watch: every 10 seconds, following the "
        "load without going back and forth. While the telemetry of all nodes cannot be read, it advises nothing: exit "
        "status 1, and with --watch the number stays as it is."
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
        if options["watch"]:
            self._watch(limits, options)
        else:
            self._advise_once(limits, options)

    def _advise_once(self, limits: Limits, options: dict[str, Any]) -> None:
        nodes = options["nodes"] or _known_nodes()
        window = read_window("1m")
        if nodes is None or not window.covers_all:
            if options["json"]:
                self._tell_blind(nodes, options)
            raise CommandError(f"No advice: {BLIND}.")
        load = load_of(window)
        self._tell(load, limits, options, nodes=nodes, advice=Advice(nodes_needed(load, limits, nodes=nodes), _ONCE))

    def _watch(self, limits: Limits, options: dict[str, Any]) -> None:
        nodes: int | None = options["nodes"] or None
        advisor: Advisor | None = None
        while True:
            nodes = nodes or _known_nodes()
            window = read_window("1m")
            if nodes is not None and advisor is None:
                advisor = Advisor(limits, nodes=nodes)
            if nodes is None or advisor is None:
                self._tell_blind(None, options)
            elif not window.covers_all:
                self._tell_blind(advisor.keep(BLIND).nodes, options)
            else:
                load = load_of(window)
                self._tell(load, limits, options, nodes=nodes, advice=advisor.observe(load))
            self.stdout.flush()
            time.sleep(10)

    def _tell(self, load: Load, limits: Limits, options: dict[str, Any], *, nodes: int, advice: Advice) -> None:
        told = {
            "nodes": nodes,
            "wanted": advice.nodes,
            "reason": advice.reason,
            "requests_per_second": round(load.requests_per_second, 2),
            "in_flight": round(load.in_flight, 3),
            "p95_ms": round(load.p95_ms, 1),
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(
            f"{advice.nodes} nodes ({advice.reason}): {told['requests_per_second']} requests a second, "
            f"{told['in_flight']} at a time, p95 {told['p95_ms']} ms; {limits.threads_per_node} threads a node"
        )

    def _tell_blind(self, nodes: int | None, options: dict[str, Any]) -> None:
        """Say that the number stays, and why; no load is told, because none is known."""
        if options["json"]:
            self.stdout.write(json.dumps({"nodes": nodes, "wanted": nodes, "reason": BLIND}))
        else:
            self.stdout.write(f"as many nodes as there are ({BLIND})")


def _known_nodes() -> int | None:
    """Return how many machines Redis knows web workers on, at least 1; ``None`` where it does not answer."""
    state = read_redis(settings.REDIS_URL)
    return None if state.error else state.application_hosts or 1
