"""What a replay may be: bounded in number, rate and time, so that it is no attack."""

from __future__ import annotations

from django.conf import settings

from speedscale.lab.querylogs import MAX_QUERIES
from speedscale.lab.runs import Plan

MAX_RATE = 500.0
MAX_SECONDS = 600.0


class PlanError(ValueError):
    """A plan that is not carried out; the message says why."""


def may_restart_mongodb() -> bool:
    """Tell whether MongoDB can be restarted from here: only where ``manage.py up`` runs it."""
    return bool(settings.SWITCHBOARD)


def checked_plan(plan: Plan) -> Plan:
    """Return the plan; raise :class:`PlanError` for one that is out of bounds."""
    if not 1 <= plan.count <= MAX_QUERIES:
        raise PlanError(f"Replay 1 to {MAX_QUERIES:,} queries.")
    if not 0.1 <= plan.rate <= MAX_RATE:
        raise PlanError(f"Begin 0.1 to {MAX_RATE:.0f} pairs a second.")
    if not 1 <= plan.limit_seconds <= MAX_SECONDS:
        raise PlanError(f"Take 1 to {MAX_SECONDS:.0f} seconds.")
    if plan.log not in {"recorded", "generated", "file"}:
        raise PlanError("The log is recorded, generated or a file.")
    if plan.cold not in {"redis", "mongodb"} or plan.hot not in {"redis", "l1"}:
        raise PlanError("Cold is redis or mongodb, hot is redis or l1.")
    if plan.cold == "mongodb" and not may_restart_mongodb():
        raise PlanError("MongoDB can be restarted only where `manage.py up` runs it.")
    return plan
