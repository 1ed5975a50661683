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
from catalog.vocabulary.synonyms import SYNONYMS

_DECIDED = (CURATIONS, STAFF_CHANGES, SYNONYMS)
"""What staff decides: a few documents, which are put back where a test has changed them."""
_KEPT = (PRODUCTS, CATEGORIES, CATALOG_STATE, CURATIONS, STAFF_CHANGES, *SEARCH_COLLECTIONS)


class KeptCatalogue:
    """Fills a catalogue for the first test that asks, and again for one that finds something else in MongoDB."""

    def __init__(self, fill: Callable[[Any], None]) -> None:
        self._fill = fill
        self._filled: dict[str, str] | None = None
        self._decided: dict[str, list[dict[str, Any]]] = {}

    def database(self, request: pytest.FixtureRequest) -> Any:
        """Return the database as it was filled; nothing that this process knew of it is left."""
        database = mongo.command_database()
        if self._filled is None or not self._put_back(database, self._filled):
            database = request.getfixturevalue("products_db")
            self._fill(database)
            self._filled = _hashes(database)
            self._decided = {name: list(database[name].find()) for name in _DECIDED}
        lexicon.forget()
        forget_known()
        return database

    def _put_back(self, database: Any, filled: dict[str, str]) -> bool:
        """Undo what staff has decided since, and return whether all is as it was filled."""
        found = _hashes(database)
        for name in _DECIDED:
            if found.get(name) != filled.get(name):
                database[name].delete_many({})
                if self._decided[name]:
                    database[name].insert_many(self._decided[name])
        return _hashes(database) == filled


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
