"""What can go wrong with the catalogue, in terms that views can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cachelayer.loading.absence import Absent
from catalog.products import Product


class CatalogError(Exception):
    """Base of the catalogue's errors."""


class ProductNotFound(CatalogError, Absent):
    """No active product has the given id."""

    def __init__(self, product_id: str) -> None:
        super().__init__(f"There is no product {product_id}.")
        self.product_id = product_id


class CatalogUnavailable(CatalogError):
    """MongoDB did not answer in time; nothing can be said about the products.

    Attributes:
        retry_after_seconds: when to ask again.
    """

    retry_after_seconds = 5


class NotAcknowledged(CatalogUnavailable):
    """MongoDB did not acknowledge a write: whether it was done has to be looked up."""


class InvalidParameter(CatalogError):
    """A parameter of a request cannot be used.

    Attributes:
        field: the parameter's name.
        reason: what is wrong with it, as a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class InvalidProduct(CatalogError):
    """A product breaks a rule of the catalogue.

    Attributes:
        field: the field that breaks it.
        reason: what is wrong, as a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class InvalidFields(CatalogError):
    """What an editor says about a product breaks rules of the catalogue.

    Attributes:
        reasons: what is wrong, by field.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in reasons.items()))
        self.reasons = dict(reasons)


class EditConflict(CatalogError):
    """Somebody else has changed the product since the editor read it; nothing was written.

    Attributes:
        stored: the product as it is now.
        sent_version: the version that the editor had read.
        sent: what the editor wanted to change, by field of :class:`~catalog.documents.ProductDraft`.
    """

    def __init__(self, stored: Product, *, sent_version: int, sent: Mapping[str, Any]) -> None:
        super().__init__(
            f"The product is at version {stored.version}, and the change was made to version {sent_version}."
        )
        self.stored = stored
        self.sent_version = sent_version
        self.sent = dict(sent)
