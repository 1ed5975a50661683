"""What the dashboard and ``/metrics`` know: latencies, outcomes and single requests, shared by all workers.

A request only appends to a bounded queue in memory; a daemon thread counts and writes to Redis in batches. While Redis
is away the process keeps its own counts, and the dashboard says that it shows one worker only.
"""

from __future__ import annotations

from cachelayer.telemetry.recorder import RECENT_LENGTH, Recorder, recorder
from cachelayer.telemetry.samples import Finished, KeptRead, Sample, Step, sample_of
from cachelayer.telemetry.store import LOG_LENGTH
from cachelayer.telemetry.windows import WINDOWS, Window, hit_ratio, read_window, recent_samples

__all__ = [
    "LOG_LENGTH",
    "RECENT_LENGTH",
    "WINDOWS",
    "Finished",
    "KeptRead",
    "Recorder",
    "Sample",
    "Step",
    "Window",
    "hit_ratio",
    "read_window",
    "recent_samples",
    "recorder",
    "sample_of",
]
