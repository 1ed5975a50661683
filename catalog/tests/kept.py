"""Catalogues that a module's tests find as they were filled, filled anew only where a test has changed them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from catalog import mongo
from catalog.curations import CURATIONS, forget_known
from catalog.derived import CATALOG_STATE
from catalog.indexes import CATEGORIES, PRODUCTS
from catalog.staff_log import STAFF_CHANGES
from catalog.vocabulary.store import SEARCH_COLLECTIONS, lexicon

_DECIDED = (CURATIONS, STAFF_CHANGES)
_KEPT = (PRODUCTS, CATEGORIES, CATALOG_STATE, *SEARCH_COLLECTIONS)


class KeptCatalogue:
    """Fills a catalogue for the first test that asks, and again for one that finds something else in MongoDB."""

    def __init__(self, fill: Callable[[Any], None]) -> None:
        self._fill = fill
        self._filled: dict[str, str] | None = None

    def database(self, request: pytest.FixtureRequest) -> Any:
        """Return the database, filled, without decisions of staff and without anything known of it in memory."""
        database = mongo.command_database()
        if self._filled is not None:
            for name in _DECIDED:
                database[name].delete_many({})
        if self._filled is None or _hashes(database) != self._filled:
            database = request.getfixturevalue("products_db")
            self._fill(database)
            self._filled = _hashes(database)
        lexicon.forget()
        forget_known()
        return database


def kept_catalogue(fill: Callable[[Any], None]) -> Any:
    """Return a fixture: the database as ``fill`` has filled it."""
    kept = KeptCatalogue(fill)

    @pytest.fixture
    def catalogue(request: pytest.FixtureRequest) -> Any:
        return kept.database(request)

    return catalogue


def _hashes(database: Any) -> dict[str, str]:
    found: dict[str, str] = database.command("dbHash", collections=list(_KEPT))["collections"]
    return found
