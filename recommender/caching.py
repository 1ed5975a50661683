"""The recommender's use of the cache: which model is live, and the list of a product under that model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cachelayer.engine import Cached, get_or_load, invalidate
from cachelayer.loading.absence import Absent
from cachelayer.trace import current_trace
from catalog.errors import CatalogUnavailable, ProductNotFound
from recommender import repository

ACTIVE_KEY = "similar:model"
NO_MODEL = "none"
SHORT, LONG = 12, 20
"""Products in a list: what a page shows, and the most that the API gives. Most lists are never asked for the rest."""
_last_known = [NO_MODEL]
"""The version that this process saw last, for when neither a cache nor MongoDB can tell."""


def active_version() -> str:
    """Return the version of the live model, or :data:`NO_MODEL`.

    While MongoDB is away and no cache knows, it is the version last seen, so that cached lists still answer.
    """
    trace = current_trace()
    lookups = len(trace.lookups) if trace else 0
    try:
        answer = get_or_load(ACTIVE_KEY, "model", lambda: repository.active_version() or NO_MODEL)
    except CatalogUnavailable:
        return _last_known[0]
    finally:
        # Which model is live is not what the request asked for; its answer is judged by the list alone.
        if trace is not None:
            del trace.lookups[lookups:]
    _last_known[0] = str(answer.value)
    return _last_known[0]


def forget_active_version() -> None:
    """Let every process look again."""
    invalidate(ACTIVE_KEY)


def forget_lists(*, product_ids: Sequence[str], **_: Any) -> None:
    """Forget the lists of these products; lists that show them turn stale by the tags of their categories."""
    version = active_version()
    invalidate(*(list_key(version, product_id, size) for product_id in product_ids for size in (SHORT, LONG)))


def list_key(version: str, product_id: str, size: int) -> str:
    """Return the key of a product's list; the version is part of it, so a swap of models needs no invalidation."""
    return f"similar:{version}:{product_id}" + (":long" if size == LONG else "")


def cached_list(version: str, product_id: str, size: int, loader: Callable[[], Any]) -> Cached:
    """Return the cached list of a product under a model; its ``origin`` says who made it."""
    try:
        answer = get_or_load(list_key(version, product_id, size), "similar", loader, origin="ML_ENGINE")
    except Absent:
        raise ProductNotFound(product_id[:40]) from None
    source = answer.outcome.source(answer.value["origin"])
    if source == answer.source:
        return answer
    trace = current_trace()
    if trace is not None and trace.lookups:
        trace.lookups[-1] = replace(trace.lookups[-1], source=source)
    return replace(answer, source=source)
