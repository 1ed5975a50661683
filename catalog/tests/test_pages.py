"""Pages for people: whole and as fragments, with hostile text, with errors, with nothing to show."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from catalog.documents import object_id_of
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue

HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-' onmouseover=alert(1) x='",
    "{{ 7|add:7 }}{% debug %}",
    "شاشة عربية \u202egpj.exe",
    "👩‍👩‍👧‍👦 emoji & co <b>bold</b>",
    "]]> --> </title></style></textarea>",
)


class _Elements(HTMLParser):
    """Collects the elements of a page as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def elements(response: Any) -> _Elements:
    parser = _Elements()
    parser.feed(response.content.decode())
    return parser


def card_names(response: Any) -> list[str]:
    found = re.findall(r'<h3 class="card__name"><a[^>]*>(.*?)</a>', response.content.decode())
    return [unescape(re.sub(r"</?mark>", "", name)) for name in found]


def htmx(client: Client, path: str, **headers: str) -> Any:
    return client.get(path, headers={"hx-request": "true", **headers})


def fill(database: Any) -> None:
    """45 mice in two leaves and one keyboard; the first is the most popular."""
    store(
        *(
            draft(
                f"MOUSE-{number:02}",
                name=f"Wireless Mouse {number:02}",
                brand="Logitech" if number % 2 else "Trust",
                category_path=("Accessories", "Mice" if number < 40 else "Trackballs"),
                popularity=1000 - number,
                price=1000 + 100 * number,
                stock=number % 5,
            )
            for number in range(45)
        ),
        draft("KEY-1", name="Quiet Keyboard", category_path=("Accessories", "Keyboards"), product_type="Keyboard"),
    )


shop = kept_catalogue(fill)


@pytest.fixture
def mice(shop: Any) -> list[str]:
    """The ids of the 45 mice and the keyboard."""
    return [*(str(object_id_of(f"MOUSE-{number:02}")) for number in range(45)), str(object_id_of("KEY-1"))]


# --- Home --------------------------------------------------------------------------------------------------


def test_home_shows_categories_with_counts_popular_and_new_products(client: Client, mice: list[str]) -> None:
    page = client.get("/").content.decode()
    assert "46 products" in page
    assert 'href="/search?category=accessories"' in page
    assert "Wireless Mouse 01" in page
    assert "Popular now" in page
    assert "Just in" in page


def test_home_of_an_empty_catalogue_says_how_to_fill_it(client: Client, products_db: Any) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "manage.py seed" in response.content.decode()


def test_home_names_what_was_searched_lately_as_links(client: Client, mice: list[str]) -> None:
    for number in range(3):
        client.get("/search?q=wireless+mouse", REMOTE_ADDR=f"10.0.0.{number}")
    assert 'href="/search?q=wireless+mouse"' in client.get("/").content.decode()


# --- Results -----------------------------------------------------------------------------------------------


def test_results_mark_the_words_asked_for_and_tell_their_number(client: Client, mice: list[str]) -> None:
    page = client.get("/search?q=WIRELESS+mouses").content.decode()
    assert "<mark>Wireless</mark> <mark>Mouse</mark> 01" in page
    assert "45 products" in page


def test_later_pages_continue_where_the_first_ended_and_lead_back(client: Client, mice: list[str]) -> None:
    seen: list[str] = []
    path: str | None = "/search?q=mouse"
    pages = 0
    while path:
        response = client.get(path)
        seen += card_names(response)
        pages += 1
        more = re.search(r'id="more-results"><a[^>]* href="([^"]+)"', response.content.decode())
        path = unescape(more[1]) if more else None
    assert pages == 3
    sold_out = [number for number in range(45) if number % 5 == 0]
    available = [number for number in range(45) if number % 5]
    assert seen == [f"Wireless Mouse {number:02}" for number in (*available, *sold_out)]
    assert "Back to the first products" in response.content.decode()
    assert 'aria-labelledby="facet-brand"' in response.content.decode(), "filters stay offered on later pages"


def test_filters_narrow_and_each_can_be_removed_by_its_own_link(client: Client, mice: list[str]) -> None:
    page = client.get(
        "/search?q=mouse&category=accessories/mice&brand=trust&min_price=10&max_price=30&in_stock=true&sort=price_desc"
    )
    names = card_names(page)
    assert names == [f"Wireless Mouse {number:02}" for number in (18, 16, 14, 12, 8, 6, 4, 2)]
    links = [unescape(link) for link in re.findall(r'class="chip chip--remove" href="([^"]+)"', page.content.decode())]
    assert links == [
        "/search?q=mouse&brand=trust&min_price=10&max_price=30&in_stock=true&sort=price_desc",
        "/search?q=mouse&category=accessories%2Fmice&min_price=10&max_price=30&in_stock=true&sort=price_desc",
        "/search?q=mouse&category=accessories%2Fmice&brand=trust&in_stock=true&sort=price_desc",
        "/search?q=mouse&category=accessories%2Fmice&brand=trust&min_price=10&max_price=30&sort=price_desc",
    ]


def test_a_category_offers_its_children_and_the_way_back_up(client: Client, mice: list[str]) -> None:
    page = unescape(client.get("/search?category=accessories").content.decode())
    assert 'href="/search?category=accessories%2Fmice"><span>Mice</span> <span class="facet__count">40</span>' in page
    leaf = client.get("/search?category=accessories%2Fmice").content.decode()
    assert ">Mice</h1>" in leaf
    assert 'id="category-accessories" href="/search?category=accessories"' in leaf
    assert 'id="category-all" href="/search"' in leaf


def test_nothing_found_explains_and_offers_ways_on(client: Client, mice: list[str]) -> None:
    page = client.get("/search?q=purple+hovercraft&in_stock=true").content.decode()
    assert "Nothing found" in page
    assert 'href="/search?q=purple+hovercraft"' in page, "without the filters"
    assert 'href="/search?q=hovercraft"' in page, "with one word"
    assert "Browse a category" in page
    assert "Popular now" in page


def test_punctuation_alone_finds_nothing_and_breaks_nothing(client: Client, mice: list[str]) -> None:
    response = client.get("/search?q=%21%3F%2F")
    assert response.status_code == 200
    assert "Nothing found" in response.content.decode()


# --- Page or fragment --------------------------------------------------------------------------------------


def test_the_same_address_gives_htmx_the_fragment_that_the_page_includes(client: Client, mice: list[str]) -> None:
    page = client.get("/search?q=mouse")
    fragment = htmx(client, "/search?q=mouse", **{"hx-target": "product-results"})
    assert "<html" in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert page.content.decode().count('id="product-results"') == 1
    assert fragment.content.decode().count('id="product-results"') == 1
    assert card_names(fragment) == card_names(page)
    assert 'id="filters-body" hx-swap-oob="true"' in fragment.content.decode()
    assert "45 products found" in fragment.content.decode(), "told to screen readers"


def test_both_forms_say_what_they_vary_by(client: Client, mice: list[str]) -> None:
    for response in (client.get("/search?q=mouse"), htmx(client, "/search?q=mouse")):
        varies = {name.strip() for name in response["Vary"].split(",")}
        assert {"HX-Request", "HX-Target", "HX-History-Restore-Request"} <= varies
        assert "Cookie" not in varies
        assert not response.cookies


def test_going_back_in_history_gets_the_whole_page(client: Client, mice: list[str]) -> None:
    response = htmx(client, "/search?q=mouse", **{"hx-history-restore-request": "true"})
    assert "<html" in response.content.decode()


def test_more_products_come_alone_with_the_keyboard_on_the_first(client: Client, mice: list[str]) -> None:
    first = client.get("/search?q=mouse").content.decode()
    more = re.search(r'hx-get="(/search[^"]+)"', first)
    assert more
    items = htmx(client, unescape(more[1]), **{"hx-target": "more-results"}).content.decode()
    assert items.count('<li class="card"') == 20
    assert items.count("autofocus") == 1
    assert items.index("autofocus") < items.index("26</a>"), "the twenty-first in stock"
    assert 'id="product-results"' not in items
    assert "20 more products of 45 products" in items


# --- Product -----------------------------------------------------------------------------------------------


def test_a_product_page_shows_what_is_known_and_where_it_came_from(client: Client, products_db: Any) -> None:
    [identifier] = store(draft("SKU-9", price=129900, stock=3, rating=4.3, rating_count=1203))
    page = client.get(f"/products/{identifier}/").content.decode()
    assert "€1,299.00" in page
    assert "Only 3 left" in page
    assert "Rated 4.3 out of 5 by 1,203 customers" in page
    assert "4000 DPI" in page
    assert 'href="/search?category=accessories%2Fmice"' in page
    assert f'href="/products/{identifier}/similar"' in page, "a link for those without JavaScript"
    assert ">MONGODB<" in page
    again = client.get(f"/products/{identifier}/").content.decode()
    assert ">L1_CACHE<" in again


def test_an_unknown_product_is_a_helpful_404(client: Client, products_db: Any) -> None:
    for path in (
        "/products/000000000000000000000000/",
        "/products/nonsense/",
        "/products/%00/",
        f"/products/{'9' * 500}/",
    ):
        response = client.get(path)
        assert response.status_code == 404
        assert 'name="q"' in response.content.decode()


def test_pictures_of_other_hosts_are_shown_only_where_the_host_is_named(
    client: Client, products_db: Any, settings: Settings
) -> None:
    store(draft("A", image_url="https://img.example.org/a.jpg"), draft("B", image_url="https://evil.example/b.jpg"))
    assert "img.example.org" not in client.get("/search?q=mouse").content.decode()
    settings.IMAGE_HOSTS = [".example.org"]
    page = client.get("/search?q=mouse").content.decode()
    assert 'src="https://img.example.org/a.jpg"' in page
    assert "evil.example" not in page
    assert 'data-fallback="/pictures/mouse/logitech.svg' in page


# --- Hostile text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_product_text_is_shown_and_never_run(client: Client, products_db: Any, text: str) -> None:
    [identifier] = store(
        draft(
            "SKU-1",
            name=f"Mouse {text}",
            brand=text,
            description=text,
            category_path=("Accessories", text),
            product_type=text,
            attributes={"Colour": text, text.replace(".", ""): "x"},
            image_url="https://evil.example/?" + quote(text),
        )
    )
    paths = ("/", f"/products/{identifier}/", "/search?q=mouse", "/search?category=accessories")
    for path in paths:
        response = client.get(path)
        assert response.status_code == 200, path
        found = elements(response)
        assert "script" not in found.tags[found.tags.index("body") :], path
        assert not [name for name, _ in found.attributes if name.startswith("on")], path
        assert "b" not in found.tags, path
        assert text.split(maxsplit=1)[0] in "".join(found.text), path


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_hostile_query_is_shown_and_never_run(client: Client, mice: list[str], text: str) -> None:
    for path in (f"/search?q={quote(text)}", f"/search?q=mouse&brand={quote(text)}&category={quote(text)}"):
        for response in (client.get(path), htmx(client, path)):
            assert response.status_code == 200
            found = elements(response)
            assert not [name for name, _ in found.attributes if name.startswith("on")]
            assert "script" not in found.tags[found.tags.index("body") if "body" in found.tags else 0 :]


def test_pages_hold_no_inline_script_or_style_and_name_no_other_host(client: Client, mice: list[str]) -> None:
    for path in (
        "/",
        "/search?q=mouse",
        "/search?q=zzz",
        f"/products/{mice[0]}/",
        "/dashboard/",
        "/nope",
        "/search?sort=x",
    ):
        response = client.get(path)
        body = response.content.decode()
        found = elements(response)
        assert "style" not in found.tags, path
        assert "style" not in {name for name, _ in found.attributes}, path
        assert re.findall(r"<script(?![^>]* src=)", body) == [], path
        sources = [value for name, value in found.attributes if name in {"src", "href", "action", "hx-get"} and value]
        assert [value for value in sources if re.match(r"(?i)\s*([a-z+.-]+:|//)", value)] == [], path


# --- Errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        ("q=mouse&min_price=abc", "Lowest price"),
        ("q=mouse&max_price=-1", "Highest price"),
        ("q=mouse&min_price=9&max_price=1", "Lowest price"),
        ("q=mouse&sort=best", "Order"),
        ("q=mouse&in_stock=perhaps", "In stock only"),
        ("q=" + "m" * 101, "Search words"),
        ("q=mouse&after=abc", "Page"),
        ("q=mouse%00", "Search words"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_and_what_was_typed_is_kept(
    client: Client, mice: list[str], parameters: str, label: str
) -> None:
    for response in (client.get(f"/search?{parameters}"), htmx(client, f"/search?{parameters}")):
        body = response.content.decode()
        assert response.status_code == 400
        assert f"<strong>{label}:</strong>" in body
        assert 'value="m' in body, "the words typed"
    assert 'id="product-results"' in body, "HTMX swaps the explanation in"


def test_too_many_searches_are_answered_429_with_the_time_to_wait(
    client: Client, mice: list[str], settings: Settings, one_window: None
) -> None:
    settings.RATE_LIMIT_SEARCH = "2/minute"
    answers = [client.get("/search?q=mouse") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0]["RateLimit-Remaining"] == "1"
    assert int(answers[2]["Retry-After"]) > 0
    assert f"{answers[2]['Retry-After']} seconds" in answers[2].content.decode()
    assert client.get("/api/search?query=mouse").status_code == 429, "pages and API share one allowance"


def test_the_500_page_needs_neither_context_nor_servers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**kwargs: Any) -> HttpResponse:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("catalog.views.products.read_product", broken)
    client.raise_request_exception = False
    response = client.get("/products/0123456789abcdef01234567/")
    assert response.status_code == 500
    body = response.content.decode()
    assert "Something went wrong here" in body
    assert "RuntimeError" not in body


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_pages_can_only_be_read(client: Client, mice: list[str], method: str) -> None:
    for path in ("/", "/search", f"/products/{mice[0]}/", "/pictures/mouse/trust.svg", "/dashboard/"):
        assert getattr(client, method)(path).status_code == 405


_anything = st.text(max_size=120)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    parameters=st.dictionaries(
        st.sampled_from(["q", "category", "brand", "min_price", "max_price", "in_stock", "sort", "after", "$where"]),
        st.one_of(_anything, st.sampled_from(["1e999", "NaN", "-0", "٣", "true", "price_asc", "a/b", "$gt", "\ud800"])),
        max_size=5,
    ),
    fragment=st.booleans(),
)
def test_no_parameter_makes_a_page_fail(client: Client, mice: list[str], parameters: Any, fragment: bool) -> None:
    query = "&".join(f"{name}={quote(value.encode(errors='surrogatepass'))}" for name, value in parameters.items())
    response = htmx(client, f"/search?{query}") if fragment else client.get(f"/search?{query}")
    assert response.status_code in {200, 400}
    response.content.decode()
