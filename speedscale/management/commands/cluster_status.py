"""``manage.py cluster_status``: every server's role and health, and one verdict."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from speedscale.cluster.printing import lines_of
from speedscale.cluster.verdict import Verdict, read_cluster

_STATUS = {Verdict.HEALTHY: 0, Verdict.DEGRADED: 1, Verdict.DOWN: 2}


class Command(BaseCommand):
    help = (
        "Show MongoDB's members and shards and Redis's servers, with one verdict and its reasons. "
        "Exit status 0: healthy, 1: degraded, 2: down."
    )
    # The checks would ask the very servers whose state is the question.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        state = read_cluster()
        if options["json"]:
            self.stdout.write(json.dumps(state.as_json(), indent=2))
        else:
            self.stdout.write("\n".join(lines_of(state)))
        self.stdout.flush()
        sys.exit(_STATUS[state.verdict])
