"""Records requests of the last hour through the telemetry itself: ``python -m bench.telemetry_probe COUNT SEED``."""

from __future__ import annotations

import os
import random
import sys
from time import time

_BATCH = 5000
_ROUTES = ("api:search", "api:product", "catalog:search", "catalog:product", "catalog:home", "recommender:similar")
_SOURCES = (("l1_hit", "L1_CACHE"), ("redis_hit", "REDIS_CACHE"), ("miss", "MONGODB"))


def main() -> None:
    """Record the requests and write them to Redis."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    import django

    django.setup()
    from cachelayer.outcomes import Outcome
    from cachelayer.telemetry import Finished, recorder
    from cachelayer.trace import Lookup, Span, Trace

    count, chance, now = int(sys.argv[1]), random.Random(int(sys.argv[2])), time()
    spans = [
        Span("redis", 0.1, 0.2, 0.2),
        Span("mongodb", 0.4, 2.0, 2.0, "find products", 20),
        Span("framework", 0, 4, 1),
    ]
    for start in range(0, count, _BATCH):
        for number in range(start, min(start + _BATCH, count)):
            outcome, source = _SOURCES[chance.choices((0, 1, 2), (6, 3, 1))[0]]
            key = f"search:{number % 500}"
            trace = Trace(spans=list(spans), lookups=[Lookup(key, Outcome(outcome), source, 1.0, 5.0)])
            at, elapsed_ms = now - 3500 * chance.random(), chance.lognormvariate(0.7, 1.0)
            recorder.record(Finished(at, trace, chance.choice(_ROUTES), "GET", f"/x?{number}", 200, elapsed_ms))
        recorder.flush()


if __name__ == "__main__":
    main()
