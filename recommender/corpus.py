"""The products of a training, read once as a stream; what is kept of each is a few numbers."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from catalog.products import Product
from catalog.search.index_keys import category_key, slug
from recommender.features import product_features

_MAX_LABELS = 4_000_000
"""Labels kept while the vocabulary is not known yet; beyond, rarer terms go without words. Bounds memory."""
UNKNOWN = -1


class Corpus:
    """Products as rows, where products with exactly the same tokens share a row.

    Filled by :meth:`lines`; complete when that has been read to its end.

    Args:
        products: read once.
        read_as: gives the product whose tokens are taken, as when the model must not see a field.

    Attributes:
        labels: what to tell people of a token, by token.
    """

    def __init__(self, products: Iterable[Product], *, read_as: Callable[[Product], Product] | None = None) -> None:
        self._products = products
        self._read_as = read_as
        self.labels: dict[str, str] = {}
        self._ids = bytearray()
        self._row = array("i")
        self._type, self._category, self._brand = array("i"), array("i"), array("i")
        self._popularity, self._in_stock = array("i"), array("b")
        self._codes: dict[str, int] = {}
        self._rows: dict[bytes, int] = {}
        self._fingerprint = 0
        self._first: datetime | None = None
        self._last: datetime | None = None

    def lines(self) -> Iterator[str]:
        """Yield the token line of each row, in order of rows; may be read once."""
        for product in self._products:
            features = list(product_features(self._read_as(product) if self._read_as else product))
            line = " ".join([feature.token for feature in features])
            digest = hashlib.blake2b(line.encode(), digest_size=12).digest()
            is_new = digest not in self._rows
            self._keep(product, self._rows.setdefault(digest, len(self._rows)))
            if is_new:
                if len(self.labels) < _MAX_LABELS:
                    self.labels.update({feature.token: feature.label for feature in features if feature.label})
                yield line
        self._rows.clear()

    def _keep(self, product: Product, row: int) -> None:
        identifier = bytes.fromhex(product.id)
        self._ids += identifier
        self._row.append(row)
        self._type.append(self._code("t", slug(product.product_type)) if product.product_type else UNKNOWN)
        self._category.append(self._code("c", category_key(product.category_path)))
        self._brand.append(self._code("b", slug(product.brand)) if product.brand else UNKNOWN)
        self._popularity.append(product.popularity)
        self._in_stock.append(product.in_stock)
        content = identifier + product.version.to_bytes(8, "big")
        # A sum does not depend on the order in which MongoDB returns the products.
        self._fingerprint += int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")
        self._first = min(self._first or product.updated_at, product.updated_at)
        self._last = max(self._last or product.updated_at, product.updated_at)

    def _code(self, field: str, value: str) -> int:
        return self._codes.setdefault(f"{field}:{value}", len(self._codes))

    def __len__(self) -> int:
        return len(self._row)

    @property
    def fingerprint(self) -> str:
        """Digest over ids and versions."""
        return f"{self._fingerprint % 2**128:032x}"

    @property
    def window(self) -> tuple[str, str]:
        """First and last change among the products, ISO 8601."""
        if self._first is None or self._last is None:
            return "", ""
        return self._first.isoformat(), self._last.isoformat()

    @cached_property
    def ids(self) -> NDArray[np.uint8]:
        """The bytes of the ids, shape (products, 12)."""
        return np.frombuffer(bytes(self._ids), dtype=np.uint8).reshape(-1, 12)

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """The row of each product."""
        return np.frombuffer(self._row, dtype=np.int32)

    @cached_property
    def types(self) -> NDArray[np.int32]:
        """A number for the product type of each product; :data:`UNKNOWN` where there is none."""
        return np.frombuffer(self._type, dtype=np.int32)

    @cached_property
    def categories(self) -> NDArray[np.int32]:
        """A number for the whole category path of each product."""
        return np.frombuffer(self._category, dtype=np.int32)

    @cached_property
    def brands(self) -> NDArray[np.int32]:
        """A number for the brand of each product; :data:`UNKNOWN` where there is none."""
        return np.frombuffer(self._brand, dtype=np.int32)

    @cached_property
    def popularity(self) -> NDArray[np.int32]:
        """The static rank of each product."""
        return np.frombuffer(self._popularity, dtype=np.int32)

    @cached_property
    def members(self) -> NDArray[np.int32]:
        """All products ordered by row; within a row those in stock first, then the most popular."""
        in_stock = np.frombuffer(self._in_stock, dtype=np.int8)
        return np.lexsort((-self.popularity, -in_stock, self.rows)).astype(np.int32)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where the products of each row begin in :attr:`members`, with the end as last entry."""
        return np.searchsorted(self.rows[self.members], np.arange(self.rows.max(initial=-1) + 2))
