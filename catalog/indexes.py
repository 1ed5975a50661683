"""The indexes of the catalogue, each with the query that it serves, and the validator of its collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, OperationFailure

from catalog.documents import VALIDATOR
from catalog.staff_log import STAFF_CHANGES

PRODUCTS = "products"
CATEGORIES = "categories"
INACTIVE_INDEX = "inactive_changed"
_INDEX_OPTIONS_CONFLICT = (85, 86)


@dataclass(frozen=True, slots=True)
class Index:
    """An index by name, with its keys and the query that needs it; ``only`` restricts it to some documents."""

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    serves: str
    only: dict[str, Any] | None = None

    def model(self) -> IndexModel:
        options = {"partialFilterExpression": self.only} if self.only else {}
        return IndexModel(list(self.keys), name=self.name, **options)


INDEXES = (
    Index(PRODUCTS, "terms_popularity", (("terms", 1), ("order.popularity", -1)), "search and lists by relevance"),
    Index(PRODUCTS, "words_popularity", (("words", 1), ("order.popularity", -1)), "search in all fields, by relevance"),
    Index(PRODUCTS, "terms_price", (("terms", 1), ("order.price", 1)), "search by price, up and down"),
    Index(PRODUCTS, "terms_rating", (("terms", 1), ("order.rating", -1)), "search by rating"),
    Index(PRODUCTS, "terms_newest", (("terms", 1), ("order.newest", -1)), "search by age"),
    Index(
        PRODUCTS,
        INACTIVE_INDEX,
        (("updated_at", -1), ("_id", -1)),
        "what editors took down, the last first",
        only={"active": False},
    ),
    Index(STAFF_CHANGES, "subject_at", (("subject", 1), ("key", 1), ("at", -1)), "the last changes of one document"),
    Index(CATEGORIES, "parent_count", (("parent", 1), ("product_count", -1)), "children of a category, largest first"),
    Index(
        CATEGORIES,
        "beginnings_count",
        (("beginnings", 1), ("product_count", -1)),
        "categories whose name begins with what was typed, largest first",
    ),
)


class IndexConflict(RuntimeError):
    """An index of this name exists with other keys; the message says how to replace it."""


def ensure_collections(database: Database[dict[str, Any]]) -> None:
    """Create the ``products`` collection with its validator, or bring an existing one's validator up to date."""
    try:
        database.create_collection(PRODUCTS, validator=VALIDATOR)
    except CollectionInvalid:
        database.command("collMod", PRODUCTS, validator=VALIDATOR)


def ensure_indexes(database: Database[dict[str, Any]]) -> None:
    """Create what is missing of :data:`INDEXES`; safe to run at any time and from several processes.

    Raises:
        IndexConflict: an index of the same name has other keys.
    """
    for collection in dict.fromkeys(index.collection for index in INDEXES):
        models = [index.model() for index in INDEXES if index.collection == collection]
        try:
            database[collection].create_indexes(models)
        except OperationFailure as error:
            if error.code not in _INDEX_OPTIONS_CONFLICT:
                raise
            raise IndexConflict(
                f"An index of {collection} differs from catalog/indexes.py ({error.details}). "
                "Drop it in MongoDB and run the command again."
            ) from error
