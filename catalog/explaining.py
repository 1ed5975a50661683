"""How MongoDB executes a command that a request has sent: its plan, asked for when somebody looks at the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pymongo.errors import PyMongoError

from cachelayer.dashboard.plans import Plan, PlanUnknown
from catalog.cluster.routing import route_of, shards_of_plan
from catalog.commands import NotExplainable, command_of, left_out_of
from catalog.errors import CatalogUnavailable
from catalog.mongo import OutOfTime, database, within

_BUDGET_MS = 500


def explain(text: str) -> Plan:
    """Execute a command as if for the first time and tell how MongoDB went about it.

    Args:
        text: as :func:`catalog.commands.text_of` wrote it.

    Raises:
        PlanUnknown: it is no command that reads, MongoDB does not answer, or it takes longer than half a second.
    """
    try:
        command = command_of(text)
        with within(_BUDGET_MS):
            told = database().command("explain", command, verbosity="executionStats")
    except (NotExplainable, OutOfTime, PyMongoError, CatalogUnavailable) as error:
        raise PlanUnknown(f"{type(error).__name__}: {error}"[:200]) from error
    return replace(plan_of(told), shards=_shards(command, told), note=_note(command))


def route(text: str) -> str:
    """Return which shards a command asks, or would ask in a cluster, by its filter alone; empty where it is unreadable.

    Args:
        text: as :func:`catalog.commands.text_of` wrote it.
    """
    try:
        return str(route_of(command_of(text)))
    except NotExplainable:
        return ""


def _note(command: Mapping[str, Any]) -> str:
    left_out = left_out_of(command)
    missing = ", ".join(f"{count:,} values of {field}" for field, count in left_out.items())
    return f"Explained without {missing}, which were not kept." if missing else ""


def _shards(command: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """Return the shards that were asked, where a router told them, and otherwise those that would be."""
    route = route_of(command)
    shards = shards_of_plan(told)
    return f"{', '.join(shards)} ({route.why})" if shards else str(route)


def plan_of(told: Mapping[str, Any]) -> Plan:
    """Condense what ``explain`` told; an aggregation tells it within its first stage."""
    if "executionStats" not in told:
        for stage in told.get("stages", ()):
            if "$cursor" in stage:
                told = stage["$cursor"]
                break
    stats = told.get("executionStats", {})
    stages = list(_stages(stats.get("executionStages", {})))
    # IDHACK is the short way over the index of _id, which MongoDB does not name in it.
    named = ("_id_" if stage.get("stage") == "IDHACK" else stage.get("indexName") for stage in stages)
    indexes = dict.fromkeys(name for name in named if name)
    return Plan(
        examined=int(stats.get("totalDocsExamined", -1)),
        keys=int(stats.get("totalKeysExamined", -1)),
        returned=int(stats.get("nReturned", -1)),
        milliseconds=float(stats.get("executionTimeMillis", -1)),
        index=", ".join(indexes),
        stages=tuple(dict.fromkeys(str(stage["stage"]) for stage in stages if "stage" in stage)),
    )


def _stages(stage: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a stage and those that feed it, the last one first; shards and the slot engine nest differently."""
    if not stage:
        return
    yield stage
    for name in ("inputStage", "thenStage", "elseStage", "outerStage", "innerStage", "executionStages"):
        yield from _stages(stage.get(name) or {})
    for name in ("inputStages", "shards"):
        for inner in stage.get(name) or ():
            yield from _stages(inner)
