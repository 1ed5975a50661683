"""Where the servers of a running ``manage.py up`` listen, so that commands in another terminal find them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from speedscale.embedded.identity import ProcessIdentity

_FILE = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the running servers; empty where nothing runs."""

    mongo_uri: str = ""
    redis_url: str = ""
    web_url: str = ""
    control: str = ""


def read_endpoints(data_dir: Path) -> Endpoints:
    """Return the addresses that a running ``up`` wrote into ``data_dir``, or empty ones.

    What a killed run left behind does not count: its servers ended with it.
    """
    try:
        stored = json.loads((data_dir / _FILE).read_text())
        owner = ProcessIdentity.parse(stored["owner"])
        if owner is None or not owner.is_running():
            return Endpoints()
        return Endpoints(**{name: str(stored[name]) for name in ("mongo_uri", "redis_url", "web_url", "control")})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Endpoints()


def write_endpoints(data_dir: Path, endpoints: Endpoints) -> None:
    """Publish ``endpoints`` atomically, readable by the owner alone, for as long as this process runs."""
    target = data_dir / _FILE
    draft = target.with_suffix(".tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({**asdict(endpoints), "owner": str(ProcessIdentity.of(os.getpid()))}, file, indent=2)
    draft.replace(target)


def clear_endpoints(data_dir: Path) -> None:
    """Withdraw the published addresses."""
    (data_dir / _FILE).unlink(missing_ok=True)
