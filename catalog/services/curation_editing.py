"""Pin products to a query and hide products from it: what staff may decide, and telling everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog import candidates, curations
from catalog.changes import announce_curation
from catalog.curations import MAX_CURATIONS, MAX_HIDES, MAX_PINS, Curation, curation_key
from catalog.documents import to_product
from catalog.errors import InvalidFields, NotAcknowledged
from catalog.products import Product, is_product_id
from catalog.search.request import normalise_query


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision.

    Attributes:
        caches_told: whether all servers know; if not, others may show the old state until Redis answers again.
    """

    curation: Curation
    caches_told: bool


def open_curation(*, query: str) -> Curation:
    """Return what is stored for a query, or an empty one to begin with.

    Raises:
        InvalidParameter: it cannot be searched for.
    """
    typed = normalise_query(query, field="q")
    key = curation_key(typed)
    return curations.read_curation(key) or Curation(key, typed)


def decide_curation(
    *, query: str, pins: Sequence[str], hides: Sequence[str], expected_version: int, by: str
) -> Decided:
    """Store which products come first and which are left out for a query; none of both removes what is stored.

    Raises:
        CurationConflict: somebody else was faster.
        InvalidFields: the query is empty, there are too many products, one is in both lists, or an id is none.
        NotAcknowledged: MongoDB did not answer in time.
    """
    stored = open_curation(query=query)
    wanted = Curation(stored.key, stored.query, tuple(dict.fromkeys(pins)), tuple(dict.fromkeys(hides)))
    _check(wanted, is_new=not stored.version)
    try:
        written = curations.write_curation(wanted, expected_version=expected_version, by=by)
    except NotAcknowledged:
        announce_curation(stored.key)  # It may have been stored all the same.
        raise
    return Decided(written, announce_curation(stored.key))


def products_of(identifiers: Sequence[str]) -> dict[str, Product]:
    """Return products by id, those that shoppers do not see included; unknown ids are left out."""
    found = candidates.find_by_ids([each for each in identifiers if is_product_id(each)])
    return {each: to_product(document) for each, document in found.items()}


def _check(wanted: Curation, *, is_new: bool) -> None:
    reasons = {}
    if not wanted.query:
        reasons["q"] = "Say for which query."
    if len(wanted.pins) > MAX_PINS:
        reasons["pins"] = f"Pin at most {MAX_PINS} products; these are {len(wanted.pins)}."
    if len(wanted.hides) > MAX_HIDES:
        reasons["hides"] = f"Hide at most {MAX_HIDES} products; these are {len(wanted.hides)}."
    if set(wanted.pins) & set(wanted.hides):
        reasons["pins"] = "A product cannot be pinned and hidden at once."
    if not all(map(is_product_id, (*wanted.pins, *wanted.hides))):
        reasons["pins"] = "This is not the id of a product."
    if is_new and not reasons and len(curations.list_curations()) >= MAX_CURATIONS:
        reasons["q"] = f"There are {MAX_CURATIONS:,} queries with pins or hides already; remove one first."
    if reasons:
        raise InvalidFields(reasons)
