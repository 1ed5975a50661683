"""MongoDB commands of requests as text, so that they can be looked at, and explained, later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import json_util
from bson.errors import BSONError

EXPLAINABLE = frozenset({"find", "aggregate", "count", "distinct"})
_OF_THE_SESSION = frozenset({"lsid", "$clusterTime", "$db", "txnNumber", "maxTimeMS", "$readPreference", "readConcern"})


class NotExplainable(ValueError):
    """The text is no command that can be explained."""


def text_of(command: Mapping[str, Any]) -> str:
    """Return a command as text that keeps the types of its values; without what belongs to its session."""
    shape = {name: value for name, value in command.items() if name not in _OF_THE_SESSION}
    return json_util.dumps(shape, json_options=json_util.CANONICAL_JSON_OPTIONS)


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
