"""Create, change, take down and bring back products: what staff does, on pages and through the API.

Whoever changes a product says which version was read. If somebody else was faster, nothing is written, so no change
is lost unseen. Products are never deleted: one that is not active keeps its data, and shoppers do not see it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import bson

from catalog import repository, writes
from catalog.changes import announce_changes, tags_of_difference
from catalog.documents import (
    DERIVED_FIELDS,
    ProductDocument,
    ProductDraft,
    draft_of,
    invalid_fields,
    to_document,
    to_product,
)
from catalog.errors import CatalogUnavailable, EditConflict, InvalidFields, NotAcknowledged
from catalog.products import Product
from catalog.vocabulary.learning import learn_products

logger = logging.getLogger(__name__)

SKU_IS_TAKEN = "belongs to another product"
_DERIVED = frozenset({"category", *DERIVED_FIELDS, "updated_at", "version"})
"""Written with every change, so that products of an older analyzer catch up."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit.

    Attributes:
        product: as it is stored now.
        changed: the fields that were changed; empty where the product was like this already.
        caches_told: whether all servers know; if not, others may show the old state until Redis answers again.
    """

    product: Product
    changed: tuple[str, ...]
    caches_told: bool = True


def create_product(*, draft: ProductDraft) -> Edited:
    """Store a new product.

    Raises:
        InvalidFields: the draft breaks a rule, or its sku belongs to another product.
        NotAcknowledged: MongoDB did not answer in time.
    """
    _check(draft)
    document = to_document(draft, now=_now())
    product = to_product(document)
    try:
        is_free = writes.insert_product(document)
    except NotAcknowledged:
        _tell_caches(None, product)  # It may have been stored all the same.
        raise
    if not is_free:
        raise InvalidFields({"sku": SKU_IS_TAKEN})
    return Edited(product, tuple(ProductDraft.__dataclass_fields__), _follow_up(None, product))


def change_product(*, product_id: str, expected_version: int, changes: Mapping[str, Any]) -> Edited:
    """Change fields of a product, active or not.

    Args:
        product_id: the product.
        expected_version: the version that the editor has read.
        changes: new values by field of :class:`~catalog.documents.ProductDraft`.

    Raises:
        EditConflict: the product is at another version.
        InvalidFields: the product would break a rule, or get another sku.
        ProductNotFound: there is no such product.
        NotAcknowledged: MongoDB did not answer in time.
    """
    stored = repository.get_stored_product(product_id)
    if stored.version != expected_version:
        raise EditConflict(stored, sent_version=expected_version, sent=changes)
    if changes.get("sku", stored.sku) != stored.sku:
        raise InvalidFields({"sku": "never changes: create another product instead"})
    wanted = replace(draft_of(stored), **changes)
    _check(wanted)
    after = to_document(wanted, now=_now(), version=stored.version + 1)
    changed = _differences(stored, after)
    if not changed:
        return Edited(stored, ())
    product = to_product(after)
    fields = {name: value for name, value in after.items() if name in changed or name in _DERIVED}
    try:
        is_first = writes.update_product(product_id, expected_version=expected_version, fields=fields)
    except NotAcknowledged:
        _tell_caches(stored, product)
        raise
    if not is_first:
        stored = repository.get_stored_product(product_id)
        raise EditConflict(stored, sent_version=expected_version, sent=changes)
    return Edited(product, changed, _follow_up(stored, product))


def deactivate_product(*, product_id: str, expected_version: int) -> Edited:
    """Take a product out of the shop; errors as of :func:`change_product`."""
    return change_product(product_id=product_id, expected_version=expected_version, changes={"active": False})


def reactivate_product(*, product_id: str, expected_version: int) -> Edited:
    """Bring a product back into the shop; errors as of :func:`change_product`."""
    return change_product(product_id=product_id, expected_version=expected_version, changes={"active": True})


def _check(draft: ProductDraft) -> None:
    reasons = invalid_fields(draft)
    if reasons:
        raise InvalidFields(reasons)


def _now() -> datetime:
    # MongoDB keeps milliseconds, and a product that is read back has to equal the one that was written.
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _differences(stored: Product, after: ProductDocument) -> tuple[str, ...]:
    before: Mapping[str, Any] = to_document(draft_of(stored), now=stored.updated_at)
    wanted: Mapping[str, Any] = after
    # Encoded, values differ as they do for MongoDB: 1 is not True, and the order of attributes counts.
    return tuple(
        name
        for name in ProductDraft.__dataclass_fields__
        if bson.encode({name: before[name]}) != bson.encode({name: wanted[name]})
    )


def _follow_up(before: Product | None, after: Product) -> bool:
    """Bring along what depends on a product that was written; return whether the caches of all servers know."""
    try:
        writes.move_category_count(before=_counted_in(before), after=_counted_in(after))
    except NotAcknowledged:
        logger.warning("Product %s is saved, but not yet counted in its categories.", after.id)
    try:
        learn_products([after.id])
    except CatalogUnavailable:
        logger.warning("Product %s is saved, but search does not know its new words yet.", after.id)
    return _tell_caches(before, after)


def _counted_in(product: Product | None) -> tuple[str, ...] | None:
    return product.category_path if product is not None and product.active else None


def _tell_caches(before: Product | None, after: Product) -> bool:
    paths = {after.category_path} | ({before.category_path} if before else set())
    searches = tags_of_difference(_document(before) if before else None, _document(after))
    return announce_changes([after.id], paths, unplaced=False, searches=searches)


def _document(product: Product) -> ProductDocument:
    return to_document(draft_of(product), now=product.updated_at)
