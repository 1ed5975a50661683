"""Who has changed what search does, and when: entries are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catalog import mongo

STAFF_CHANGES = "staff_changes"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class StaffChange:
    """A change by staff.

    Attributes:
        subject: the collection.
        key: the document's ``_id``.
        action: ``created``, ``changed`` or ``deleted``.
        by: the account.
        before: what was stored; empty where there was nothing.
        after: what is stored since; empty where there is nothing.
    """

    subject: str
    key: str
    action: str
    by: str
    at: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def log_change(
    database: mongo.Documents,
    *,
    subject: str,
    key: str,
    by: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Add an entry about a change that was made just now."""
    action = "created" if not before else "changed" if after else "deleted"
    entry = {"subject": subject, "key": key, "action": action, "by": by, "at": datetime.now(UTC)}
    database[STAFF_CHANGES].insert_one({**entry, "before": dict(before or {}), "after": dict(after or {})})


def list_changes(*, subject: str, key: str) -> list[StaffChange]:
    """Return the last changes of a document, the newest first."""
    with mongo.reading() as database:
        cursor = database[STAFF_CHANGES].find({"subject": subject, "key": key}).sort("at", -1).limit(_SHOWN)
        return [
            StaffChange(**{name: entry[name] for name in ("subject", "key", "action", "by", "at", "before", "after")})
            for entry in cursor
        ]
