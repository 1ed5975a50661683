"""Products for tests: valid ones, from few words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from catalog import mongo
from catalog.documents import ProductDraft, to_document, validated
from catalog.indexes import PRODUCTS

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def draft(sku: str = "SKU-1", **fields: Any) -> ProductDraft:
    """Return a draft that is valid unless ``fields`` say otherwise."""
    defaults: dict[str, Any] = {
        "name": "Silent Wireless Mouse",
        "brand": "Logitech",
        "category_path": ("Accessories", "Mice"),
        "product_type": "Mouse",
        "description": "It does not click.",
        "price": 2999,
        "currency": "EUR",
        "stock": 10,
        "rating": 4.5,
        "rating_count": 12,
        "popularity": 1000,
        "attributes": {"Colour": "Black", "Sensor": "4000 DPI"},
        "created_at": NOW,
    }
    return ProductDraft(sku=sku, **{**defaults, **fields})


def store(*drafts: ProductDraft) -> list[str]:
    """Insert products and return their ids, in the order given."""
    from catalog.categories import refresh_categories

    documents: list[Any] = [to_document(validated(item), now=NOW) for item in drafts]
    database = mongo.command_database()
    database[PRODUCTS].insert_many(documents, ordered=False)
    refresh_categories(database)
    return [str(document["_id"]) for document in documents]
