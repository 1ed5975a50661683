"""How long which kind of value may be kept and served: one named policy for each kind of data."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for one kind of value.

    Attributes:
        name: what the kind is called, in settings and on the dashboard.
        soft_seconds: how long a value counts as fresh.
        hard_seconds: how long it may be served at all: past the soft limit while it is refreshed, or while its loader
            fails. Equal to ``soft_seconds`` where an old value is worse than none.
        jitter: share of the soft limit by which it is shortened at random, so that values stored together do not
            expire together.
        negative_seconds: how long "does not exist" is remembered; 0 for never.
        max_bytes: values whose JSON is longer are served and not stored.
        local_seconds: how long a process may keep a value in L1; 0 for never.
        early: weight of refreshing ahead of time (the beta of Vattani, Chierichetti and Lowenstein, "Optimal
            Probabilistic Cache Stampede Prevention", VLDB 2015); 0 for never.
        wait_seconds: longest wait for a value that another request is loading.
        lease_seconds: after this long a loader is taken for dead and another may load.
    """

    name: str
    soft_seconds: float
    hard_seconds: float
    jitter: float = 0.1
    negative_seconds: float = 0.0
    max_bytes: int = 512 * 1024
    local_seconds: float = 2.0
    early: float = 1.0
    wait_seconds: float = 2.0
    lease_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.soft_seconds <= self.hard_seconds:
            raise ImproperlyConfigured(f"policy {self.name}: needs 0 < soft_seconds <= hard_seconds")
        if not 0 <= self.jitter < 1:
            raise ImproperlyConfigured(f"policy {self.name}: jitter must be at least 0 and less than 1")
        if self.wait_seconds <= 0 or self.lease_seconds <= 0:
            raise ImproperlyConfigured(f"policy {self.name}: wait_seconds and lease_seconds must be above 0")

    def expiries_ms(self, now_ms: int) -> tuple[int, int]:
        """Return soft and hard expiry of a value stored now, in milliseconds since the epoch."""
        soft = self.soft_seconds * (1 - self.jitter * random.random())
        return now_ms + int(soft * 1000), now_ms + int(self.hard_seconds * 1000)


_known: list[tuple[dict[str, dict[str, Any]], dict[str, Policy]]] = []
"""The setting that was read last, and what it says; each read of the cache asks for it."""


def policy_named(name: str) -> Policy:
    """Return the policy of this name; raise ``ImproperlyConfigured`` where settings have none."""
    try:
        return all_policies()[name]
    except KeyError:
        known = ", ".join(all_policies())
        raise ImproperlyConfigured(f"CACHE_POLICIES has no policy {name!r}; it has {known}") from None


def all_policies() -> dict[str, Policy]:
    """Return the policies of the settings by name."""
    configured: dict[str, dict[str, Any]] = settings.CACHE_POLICIES
    if not _known or _known[0][0] is not configured:
        _known[:] = [(configured, {name: Policy(name=name, **rules) for name, rules in configured.items()})]
    return _known[0][1]


def policy_table() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the policies as a table in words: the headings, then a row for each policy of the settings."""
    headings = ("fresh for", "served for", "jitter", "absence", "at most", "in process memory", "refreshed ahead")
    return (("policy", headings), *((name, _cells(policy)) for name, policy in all_policies().items()))


def _cells(policy: Policy) -> tuple[str, ...]:
    return (
        _seconds(policy.soft_seconds),
        _seconds(policy.hard_seconds),
        f"{policy.jitter:.0%}",
        _seconds(policy.negative_seconds),
        f"{policy.max_bytes // 1024:,} KiB",
        _seconds(policy.local_seconds),
        f"{policy.early:g}" if policy.early > 0 else "no",
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:,g} s" if seconds > 0 else "no"
