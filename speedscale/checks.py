"""System checks: configuration that would start but not serve well, with stable ids and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning


@register(Tags.security, deploy=True)
def check_metrics_are_protected(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """``/metrics`` tells strangers about the load unless a token guards it."""
    del app_configs, kwargs
    if settings.METRICS_TOKEN:
        return []
    return [
        CheckWarning(
            "METRICS_TOKEN is not set: /metrics is open to everybody.",
            hint="Set it to a random value.",
            id="speedscale.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_hosts_are_named(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """A wildcard host lets a forged Host header into links and cache keys."""
    del app_configs, kwargs
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [Error("ALLOWED_HOSTS accepts every host.", hint="Name the hosts that you serve.", id="speedscale.E001")]


@register(Tags.caches)
def check_ttls_outlive_l1(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """An L1 that lives longer than Redis would serve what Redis has already given up."""
    del app_configs, kwargs
    shortest = min(settings.CACHE_TTL_SEARCH, settings.CACHE_TTL_PRODUCT, settings.CACHE_TTL_SIMILAR)
    if shortest >= settings.CACHE_L1_SECONDS:
        return []
    return [
        CheckWarning(
            f"CACHE_L1_SECONDS={settings.CACHE_L1_SECONDS} exceeds the shortest TTL of {shortest} s and is cut to it.",
            hint="Lower CACHE_L1_SECONDS or raise the TTLs.",
            id="speedscale.W002",
        )
    ]
