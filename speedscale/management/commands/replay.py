"""``manage.py replay``: ask a log of queries cold and hot, and tell the ratio with its interval."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from catalog.errors import CatalogUnavailable
from speedscale.lab import runs
from speedscale.lab.limits import PlanError, checked_plan
from speedscale.lab.querylogs import NoQueries, file_log, generated_log, recorded_log
from speedscale.lab.replay import replay
from speedscale.lab.runs import Plan, Run
from speedscale.lab.summary import Summary, overload_text, summarise
from speedscale.running.control import ControlError, ask_supervisor


class Command(BaseCommand):
    help = "Ask each query of a log cold and hot, open-loop, and tell both distributions and the ratio's interval."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        plan = Plan()
        parser.add_argument("--log", default=plan.log, help="'recorded', 'generated', or a file with a query a line")
        parser.add_argument("--count", type=int, default=plan.count, help="queries (default: %(default)s)")
        parser.add_argument("--rate", type=float, default=plan.rate, help="pairs a second (default: %(default)s)")
        parser.add_argument("--cold", choices=("redis", "mongodb"), default=plan.cold, help="what is cold")
        parser.add_argument("--hot", choices=("redis", "l1"), default=plan.hot, help="where the hot answer lies")
        parser.add_argument("--seconds", type=float, default=plan.limit_seconds, help="end after so long at the latest")
        parser.add_argument("--seed", type=int, default=plan.seed, help="of the generated log and of the order")
        parser.add_argument("--run", default="", help=argparse.SUPPRESS)
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        run = self._run_of(options)
        run.begin()
        signal.signal(signal.SIGTERM, lambda *_: runs.ask_to_stop(run.id))
        file = Path(options["log"]) if options["log"] not in {"recorded", "generated"} and not options["run"] else None
        # The limit protects against visitors; here it would only measure itself.
        settings.RATE_LIMIT_SEARCH = ""
        try:
            queries = _queries(run.plan, file)
            replay(run, queries, restart_mongodb=_restart if run.plan.cold == "mongodb" else None)
        except (NoQueries, ControlError, CatalogUnavailable) as error:
            run.state, run.problem = "failed", str(error)
            runs.save(run)
            raise CommandError(str(error)) from error
        except OSError as error:
            # A full or vanished disk: there is nowhere to note it but here.
            raise CommandError(f"The run cannot be stored below {runs.directory()}: {error.strerror}") from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
        summary = summarise(run)
        if options["json"]:
            self.stdout.write(json.dumps({"id": run.id, "state": run.state, **asdict(summary)}, indent=2))
        else:
            _print(run, summary)
        if not run.pairs:
            raise CommandError(f"Nothing could be measured: {run.discarded or run.state}")

    def _run_of(self, options: dict[str, Any]) -> Run:
        if options["run"]:
            stored = runs.load(options["run"])
            if stored is None:
                raise CommandError(f"There is no run {options['run']}.")
            return stored
        log = options["log"]
        plan = Plan(
            log=log if log in {"recorded", "generated"} else "file",
            count=options["count"],
            rate=options["rate"],
            cold=options["cold"],
            hot=options["hot"],
            seed=options["seed"],
            limit_seconds=options["seconds"],
            name="" if log in {"recorded", "generated"} else Path(log).name,
        )
        try:
            return runs.new_run(checked_plan(plan))
        except PlanError as error:
            raise CommandError(str(error)) from error


def _queries(plan: Plan, file: Path | None) -> list[str]:
    if file is not None:
        return file_log(file, plan.count)
    return recorded_log(plan.count) if plan.log == "recorded" else generated_log(plan.count, seed=plan.seed)


def _restart() -> None:
    ask_supervisor(settings.CONTROL_SOCKET, server="mongodb", action="restart")


def _print(run: Run, summary: Summary) -> None:
    table = Table(title=f"Run {run.id}: {summary.pairs} pairs, log {run.log_hash}, {run.state}")
    for heading in ("", "p50", "p90", "p95", "p99"):
        table.add_column(heading, justify="right" if heading else "left")
    for side in (summary.cold, summary.hot):
        table.add_row(side.label, *(f"{value:.2f} ms" for value in (side.p50, side.p90, side.p95, side.p99)))
    console = Console()
    console.print(table)
    ratio = summary.ratio
    if ratio is not None:
        console.print(f"cold / hot: median {ratio.value:.1f}, 95 % interval {ratio.low:.1f} to {ratio.high:.1f}")
    overload = overload_text(summary, run.plan.rate)
    if overload:
        console.print(overload, style="yellow")
    for reason, count in run.discarded.items():
        console.print(f"left out: {count} pairs, {reason}")
