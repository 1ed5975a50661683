"""The one thing that loaders and the engine must agree on besides values."""

from __future__ import annotations


class Absent(Exception):
    """What was asked for does not exist: raised by loaders, and by reads that remember it."""
