"""What shoppers do: search, filter, page on, open a product, come back."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor


def number_in(text: str) -> int:
    match = re.search(r"[\d,]+", text)
    assert match, text
    return int(match[0].replace(",", ""))


def test_searching_from_the_home_page_finds_products_with_the_words_marked(visitor: Visitor) -> None:
    visitor.open("/")
    visitor.search("wireless mouse")
    expect(visitor.page).to_have_url(re.compile(r"/search\?q=wireless\+mouse$"))
    expect(visitor.page).to_have_title("wireless mouse – search · SpeedScale")
    assert visitor.cards.count() == 20
    for name in visitor.names:
        assert "mouse" in name.lower()
    assert visitor.page.locator("#product-results mark").count() >= 20


def test_a_filter_narrows_in_place_and_the_address_can_be_shared(
    visitor: Visitor, arrive: Callable[..., Visitor], site: Site
) -> None:
    page = visitor.open("/search?q=mouse")
    before = number_in(page.locator(".results__total").inner_text())
    page.evaluate("window.stillTheSamePage = true")
    page.locator("#filter-stock").check()
    expect(page).to_have_url(re.compile(r"/search\?q=mouse&in_stock=true$"))
    expect(page.get_by_role("list", name="Active filters")).to_contain_text("In stock")
    after = number_in(page.locator(".results__total").inner_text())
    assert 0 < after < before
    assert page.evaluate("window.stillTheSamePage"), "the page was not loaded anew"
    expect(page.locator("#result-status")).to_have_text(f"{after:,} products found")
    guest = arrive(site)
    guest.open(page.url.removeprefix(site.url))
    assert guest.names == visitor.names


def test_prices_and_brands_combine_and_chips_take_them_off_again(visitor: Visitor) -> None:
    page = visitor.open("/search?q=keyboard")
    all_names = visitor.names
    page.locator("#filter-max").fill("60")
    page.locator("#filter-max").press("Enter")
    expect(page).to_have_url(re.compile("max_price=60"))
    page.locator("#filters section[aria-labelledby=facet-brand] a").first.click()
    expect(page).to_have_url(re.compile(r"brand=.*max_price=60"))
    prices = [float(text.strip("€").replace(",", "")) for text in page.locator(".card .price").all_inner_texts()]
    assert prices
    assert max(prices) <= 60
    assert len(set(page.locator(".card__brand").all_inner_texts())) == 1
    chips = page.get_by_role("list", name="Active filters").get_by_role("link", name="Remove filter")
    assert chips.count() == 2
    chips.first.click()
    expect(chips).to_have_count(1)
    page.get_by_role("link", name="Clear all").click()
    expect(chips).to_have_count(0)
    assert visitor.names == all_names


def test_sorting_reorders_and_survives_further_filters(visitor: Visitor) -> None:
    page = visitor.open("/search?category=computers")
    page.get_by_label("Sort by").select_option("price_asc")
    expect(page).to_have_url(re.compile("sort=price_asc"))
    prices = [float(text.strip("€").replace(",", "")) for text in page.locator(".card .price").all_inner_texts()]
    assert prices == sorted(prices)
    page.locator("#filter-stock").check()
    expect(page).to_have_url(re.compile(r"in_stock=true.*sort=price_asc"))


def test_more_products_are_appended_and_the_keyboard_moves_to_the_first_of_them(visitor: Visitor) -> None:
    page = visitor.open("/search?category=computers")
    first_page = visitor.names
    page.get_by_role("link", name="Show more products").click()
    expect(visitor.cards).to_have_count(40)
    assert visitor.names[:20] == first_page
    assert len(page.locator(".card__name a").evaluate_all("links => [...new Set(links.map(a => a.href))]")) == 40
    expect(visitor.cards.nth(20).locator("a")).to_be_focused()
    expect(page.locator("#result-status")).to_contain_text("20 more products of")
    assert "after=" not in page.url, "the address stays that of the search"


def test_going_back_shows_the_search_before_with_its_filters(visitor: Visitor) -> None:
    page = visitor.open("/search?q=monitor")
    unfiltered = visitor.names
    page.get_by_label("Sort by").select_option("price_desc")
    expect(page).to_have_url(re.compile("sort=price_desc"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"q=monitor$"))
    expect(page.get_by_label("Sort by")).to_have_value("relevance")
    assert visitor.names == unfiltered
    assert page.locator("header.site-header").count() == 1
    visitor.cards.first.get_by_role("link").click()
    expect(page).to_have_url(re.compile("/products/"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"q=monitor$"))
    assert visitor.names == unfiltered


def test_a_product_page_tells_everything_and_brings_similar_products(visitor: Visitor) -> None:
    page = visitor.open("/search?q=laptop")
    name = visitor.names[0]
    visitor.cards.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".product__price")).to_have_text(re.compile(r"^€[\d,]+\.\d\d$"))
    expect(page.locator(".attributes tr").first).to_be_visible()
    expect(page.get_by_role("navigation", name="Breadcrumb").get_by_role("link")).to_have_count(3)
    page.locator(".similar-slot").scroll_into_view_if_needed()
    expect(page.locator("#similar-products .card").first).to_be_visible()
    assert name not in page.locator("#similar-products .card__name").all_inner_texts()


def test_the_second_visit_is_answered_by_a_cache_and_says_so(visitor: Visitor) -> None:
    visitor.open("/search?q=ergonomic+chair")
    assert "MongoDB" in visitor.provenance
    visitor.open("/search?q=ergonomic+chair")
    assert re.search("Process memory|Redis cache", visitor.provenance)
    page = visitor.page
    page.locator(".provenance__summary").first.click()
    expect(page.locator(".provenance__detail").first).to_contain_text("search:ergonomic chair")
    expect(page.locator(".provenance__detail").first).to_contain_text("HIT")


def test_nothing_found_leads_on(visitor: Visitor) -> None:
    page = visitor.open("/search?q=wireless+mouse&brand=nobody")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("link", name="Search for “mouse” only").click()
    expect(visitor.cards.first).to_be_visible()


def test_a_misspelt_search_says_what_it_shows_and_can_be_insisted_on(visitor: Visitor) -> None:
    page = visitor.open("/search?q=wireles+mause")
    expect(page.get_by_text("Showing results for wireless mouse")).to_be_visible()
    expect(visitor.cards.first).to_be_visible()
    page.get_by_role("link", name="Search instead for").click()
    expect(page.get_by_text("Showing results for")).to_be_hidden()


def test_a_word_that_no_product_has_is_left_out_and_named(visitor: Visitor) -> None:
    page = visitor.open("/search?q=mouse+hovercraft")
    expect(page.get_by_text("Left out: hovercraft")).to_be_visible()
    expect(visitor.cards.first).to_be_visible()


def test_a_result_tells_why_it_is_where_it_is(visitor: Visitor) -> None:
    page = visitor.open("/search?q=wireless+mouse")
    page.get_by_role("link", name="Why these results?").click()
    expect(visitor.cards.first).to_contain_text("Why it is here")
    expect(visitor.cards.first).to_contain_text("in its")


def test_a_price_that_is_none_is_refused_in_words_and_stays_typed(visitor: Visitor) -> None:
    page = visitor.open("/search?q=mouse")
    page.locator("#filter-min").fill("cheap")
    page.locator("#filter-min").press("Enter")
    expect(page.locator(".form-problem")).to_contain_text("Lowest price: Give a price as a number")
    expect(page.locator("#filter-min")).to_have_value("cheap")
    page.locator("#typed-min_price").fill("20")
    page.get_by_role("button", name="Search again").click()
    expect(visitor.cards.first).to_be_visible()


def test_on_a_phone_the_filters_are_a_sheet_that_stays_open_while_they_change(
    arrive: Callable[..., Visitor], site: Site
) -> None:
    visitor = arrive(site, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = visitor.open("/search?q=mouse")
    sheet = page.locator("#filters")
    expect(sheet).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    expect(sheet).to_be_visible()
    page.locator("#filter-stock").check()
    expect(page).to_have_url(re.compile("in_stock=true"))
    expect(sheet).to_be_visible()
    page.get_by_role("button", name="Close filters").tap()
    expect(sheet).to_be_hidden()
    expect(page.get_by_role("button", name="Filters")).to_contain_text("1")


def test_no_page_is_wider_than_its_window(visitor: Visitor) -> None:
    paths = [
        "/",
        "/search?q=zzzz",
        "/dashboard/",
        "/dashboard/history/",
        "/dashboard/keys/",
        "/dashboard/costs/",
        "/dashboard/cluster/",
        "/dashboard/cluster/routing/",
        "/nowhere",
        "/search?sort=x",
        "/search?category=audio",
    ]
    visitor.open("/search?q=wireless+keyboard&in_stock=true")
    paths.append(visitor.first_path)
    for path in paths:
        page = visitor.open(path)
        for width in (1440, 768, 360, 320):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_chosen_theme_is_remembered_and_never_flashes(visitor: Visitor) -> None:
    page = visitor.open("/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Switch to dark theme").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload(wait_until="commit")
    page.wait_for_selector("body", state="attached")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark", "set before the body is there"
    visitor.open("/dashboard/")
    assert page.evaluate(background) == dark
    expect(page.get_by_role("button", name="Switch to light theme")).to_be_visible()


def test_a_photo_that_cannot_be_loaded_gives_way_to_the_drawing(visitor: Visitor) -> None:
    page = visitor.open("/search?q=mouse")
    page.evaluate(
        """() => {
          const image = document.querySelector(".card img");
          image.dataset.fallback = image.getAttribute("src");
          image.classList.add("is-photo");
          image.src = "/pictures/missing";
        }"""
    )
    expect(page.locator(".card img").first).to_have_attribute("src", re.compile(r"^/pictures/.*\.svg"))
    expect(page.locator(".card img").first).not_to_have_class("is-photo")


def test_the_dashboard_updates_itself_until_it_is_paused(visitor: Visitor) -> None:
    visitor.open("/search?q=dashboard+update")
    page = visitor.page
    page.clock.install()
    updates: list[str] = []
    page.on("request", lambda request: updates.append(request.url) if request.headers.get("hx-request") else None)
    visitor.open("/dashboard/")
    with page.expect_response("**/dashboard/?window=15m"):
        page.clock.run_for(2100)
    expect(page.locator(".data--requests")).to_contain_text("search:dashboard update")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    so_far = len(updates)
    page.clock.run_for(20_000)
    assert len(updates) == so_far
    page.get_by_role("button", name="Pause").click()
    with page.expect_response("**/dashboard/?window=15m"):
        page.clock.run_for(2100)
    assert visitor.shifts == []
