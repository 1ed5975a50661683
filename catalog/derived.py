"""What is derived from products once many of them were written: the categories with their counts, the words of search.

Whoever writes many products marks in MongoDB that these are behind, and brings them up to date at the end. A run that
dies in between leaves the mark, so the next one catches up though it may have nothing to write itself.
"""

from __future__ import annotations

from bson import ObjectId

from catalog.categories import refresh_categories
from catalog.mongo import Documents
from catalog.progress import Progress
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.learning import refresh_vocabulary

CATALOG_STATE = "catalog_state"
_BEHIND = "derived"


def mark_behind(database: Documents, *, recount: bool = False) -> None:
    """Note that products are about to be written; call it before the writes.

    Args:
        database: the catalogue.
        recount: whether the time of their change does not tell which ones, so that all words have to be counted.
    """
    # A new token each time: who catches up removes the mark that it found, not one that was set meanwhile.
    mark = {"token": ObjectId(), **({"recount": True} if recount else {})}
    database[CATALOG_STATE].update_one({"_id": _BEHIND}, {"$set": mark}, upsert=True)


def is_behind(database: Documents) -> bool:
    """Return whether products were written that categories and vocabulary may not know."""
    return database[CATALOG_STATE].find_one({"_id": _BEHIND}, {"_id": 1}) is not None


def catch_up(database: Documents, progress: Progress | None = None, *, recount: bool | None = None) -> int:
    """Bring categories and vocabulary up to date, remove the mark, and return the number of categories.

    Args:
        database: the catalogue.
        progress: shows how far a count of all words is.
        recount: whether to count all words even where few products have changed; by default what the mark says.
    """
    mark = database[CATALOG_STATE].find_one({"_id": _BEHIND}) or {}
    categories = refresh_categories(database)
    if mark.get("recount", False) if recount is None else recount:
        build_vocabulary(database, progress)
    else:
        refresh_vocabulary(database, progress)
    if mark:
        database[CATALOG_STATE].delete_one({"_id": _BEHIND, "token": mark["token"]})
    return categories
