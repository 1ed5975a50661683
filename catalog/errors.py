"""What can go wrong with the catalogue, in terms that views can act on."""

from __future__ import annotations

from cachelayer.absence import Absent


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
