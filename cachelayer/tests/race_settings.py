"""The project's settings with a policy for the race: nothing expires, so that only invalidation can renew a value."""

from __future__ import annotations

from speedscale.settings import *  # noqa: F403
from speedscale.settings import CACHE_POLICIES

CACHE_POLICIES["race"] = {"soft_seconds": 3600, "hard_seconds": 3600, "early": 0.0, "local_seconds": 30}
