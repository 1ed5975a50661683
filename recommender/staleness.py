"""Is it time to train anew? By age and by how many of the model's products are no longer what it has learned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from catalog.products import Product
from catalog.repository import count_changes, stream_products
from recommender import repository
from recommender.features import FEATURES_VERSION
from recommender.models import Manifest

_AT_ONCE = 1_000


def last_training() -> tuple[Manifest, str] | None:
    """Return the model to measure against, with the reason why it was refused; ``None`` before the first training.

    That is the live one, or a newer one that was refused: training on the same products again would not better it.
    """
    live = repository.get_active()
    if live is None:
        return None
    for manifest, refused in repository.list_models():
        if manifest.version == live.version or (refused and manifest.version > live.version):
            return manifest, refused
    return repository.get_model(live.version)


def staleness(*, max_age_days: float, max_changed: float) -> str:
    """Say why a model should be trained, or return an empty text.

    Args:
        max_age_days: age from which a model is stale.
        max_changed: share of its products changed, added or removed since, from 0 to 1.
    """
    last = last_training()
    if last is None:
        return "there is no model"
    manifest, _ = last
    if manifest.parameters["features_version"] != FEATURES_VERSION:
        return "this release reads products otherwise than the model did"
    age_days = (datetime.now(UTC) - manifest.created_at).total_seconds() / 86_400
    if age_days >= max_age_days:
        return f"the model is {age_days:.1f} days old"
    changed = _changed_of_most_popular(manifest) if manifest.parameters["limit"] else _changed(manifest)
    share = changed / max(manifest.products, 1)
    return f"{share:.0%} of the products have changed" if share >= max_changed else ""


def _changed(manifest: Manifest) -> int:
    """Return how many products were changed, added, or removed without another in their place."""
    changed, count = count_changes(manifest.created_at)
    # A product that was deleted or taken down leaves no trace but the difference in number.
    return changed + max(manifest.products - count, 0)


def _changed_of_most_popular(manifest: Manifest) -> int:
    """Return how many of the most popular products are not in the model as they are now, or were removed."""
    count = as_learned = 0
    products = stream_products(limit=manifest.parameters["limit"])
    while batch := list(islice(products, _AT_ONCE)):
        count += len(batch)
        as_learned += repository.count_known(manifest.version, list(_unchanged(batch, manifest.created_at)))
    return max(count, manifest.products) - as_learned


def _unchanged(products: list[Product], since: datetime) -> Iterator[str]:
    return (product.id for product in products if product.updated_at <= since)
