"""MongoDB commands of requests as text, so that they can be looked at, and explained, later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import json_util
from bson.errors import BSONError

EXPLAINABLE = frozenset({"find", "aggregate", "count", "distinct"})
_OF_THE_SESSION = frozenset({"lsid", "$clusterTime", "$db", "txnNumber", "maxTimeMS", "$readPreference", "readConcern"})


_KEPT_VALUES = 5
_MAX_VALUES = 10
LEFT_OUT = "left_out"
"""In the comment of a command that was shortened: how many values of a field's ``$in`` are missing."""


class NotExplainable(ValueError):
    """The text is no command that can be explained."""


def text_of(command: Mapping[str, Any]) -> str:
    """Return a command as text that keeps the types of its values; without what belongs to its session.

    Of long lists of ``$in`` the first values are kept, and the command's comment tells how many are missing: it is
    executed in the same way, and takes little room.
    """
    left_out: dict[str, int] = {}
    shape = {name: _shortened(value, name, left_out) for name, value in command.items() if name not in _OF_THE_SESSION}
    if left_out:
        shape["comment"] = {LEFT_OUT: left_out}
    return json_util.dumps(shape, json_options=json_util.CANONICAL_JSON_OPTIONS)


def left_out_of(command: Mapping[str, Any]) -> dict[str, int]:
    """Return how many values are missing from the ``$in`` of which fields of a command that was shortened."""
    comment = command.get("comment")
    found = comment.get(LEFT_OUT) if isinstance(comment, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _shortened(value: Any, field: str, left_out: dict[str, int]) -> Any:
    if isinstance(value, Mapping):
        shorter = {}
        for name, inner in value.items():
            if name == "$in" and isinstance(inner, list) and len(inner) > _MAX_VALUES:
                left_out[field] = left_out.get(field, 0) + len(inner) - _KEPT_VALUES
                shorter[name] = inner[:_KEPT_VALUES]
            else:
                shorter[name] = _shortened(inner, field if name.startswith("$") else name, left_out)
        return shorter
    return [_shortened(inner, field, left_out) for inner in value] if isinstance(value, list) else value


def command_of(text: str) -> dict[str, Any]:
    """Read what :func:`text_of` wrote; raise :class:`NotExplainable` for anything else, or what would write."""
    try:
        command = json_util.loads(text)
    except (ValueError, TypeError, BSONError) as error:
        raise NotExplainable(str(error)) from error
    if not isinstance(command, dict) or not command or next(iter(command)) not in EXPLAINABLE:
        raise NotExplainable("not a command that reads")
    stages = command.get("pipeline", [])
    if any(stage.keys() & {"$out", "$merge"} for stage in stages):
        raise NotExplainable("writes")
    return command
