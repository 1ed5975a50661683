"""Similar products as a fragment and as a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from catalog.tests.factories import draft, store


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    return store(
        draft("MOUSE-1", name="Silent Mouse", popularity=10),
        draft("MOUSE-2", name="Gaming Mouse", popularity=30),
        draft("MOUSE-3", name="Sold Out Mouse", popularity=50, stock=0),
        draft("HUB-1", name="USB Hub", category_path=("Accessories", "Hubs"), product_type="Hub", popularity=1),
    )


def test_htmx_gets_the_fragment_and_others_a_page_around_it(client: Client, ids: list[str]) -> None:
    path = f"/products/{ids[0]}/similar"
    fragment = client.get(path, headers={"hx-request": "true"}).content.decode()
    page = client.get(path).content.decode()
    assert fragment.lstrip().startswith('<section id="similar-products"')
    assert "<html" not in fragment
    assert "<html" in page
    assert 'id="similar-products"' in page


def test_the_nearest_category_comes_first_and_says_why(client: Client, ids: list[str]) -> None:
    page = client.get(f"/products/{ids[0]}/similar").content.decode()
    assert page.index("Popular in Mice") < page.index("Popular in Accessories")
    assert page.index("Gaming Mouse") < page.index("USB Hub")
    assert "Sold Out Mouse" not in page
    assert "CATEGORY_FALLBACK" in page


def test_a_product_alone_in_its_shop_has_no_similar_ones(client: Client, products_db: Any) -> None:
    [identifier] = store(draft("ONLY-1"))
    response = client.get(f"/products/{identifier}/similar")
    assert response.status_code == 200
    assert client.get(f"/api/products/{identifier}/similar").json()["count"] == 0


def test_an_unknown_product_has_no_page(client: Client, products_db: Any) -> None:
    assert client.get("/products/unknown/similar").status_code == 404
