"""The lab in a browser, on everything that `manage.py up` runs: a replay with its interval, and failures on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.test_access import violations
from speedscale.tests.browser.visitor import Visitor
from speedscale.tests.commands import manage
from speedscale.tests.test_up import Run

pytestmark = pytest.mark.timeout(240)
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole development site with 300 products, and an account named operator."""
    data_dir = tmp_path_factory.mktemp("lab-data")
    run = Run(data_dir, SEED_TARGET="300", WEB_CONCURRENCY="2", RATE_LIMIT_SEARCH="")
    try:
        run.wait_until_ready()
        account = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_USERNAME": "operator"}
        done = manage("createsuperuser", "--noinput", "--email", "o@shop.example", **run.variables, **account)
        assert done.returncode == 0, done.stderr
        yield Site(url=run.url.rstrip("/"), environment=run.variables)
    finally:
        run.close()


@pytest.fixture
def operator(arrive: Callable[..., Visitor], development: Site) -> Visitor:
    visitor = arrive(development)
    page = visitor.open("/accounts/login/?next=/dashboard/lab/")
    page.get_by_label("Name").fill("operator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="Lab", level=1)).to_be_visible()
    return visitor


def test_redis_is_stopped_from_the_switchboard_and_everybody_sees_it(
    operator: Visitor, arrive: Callable[..., Visitor], development: Site
) -> None:
    page = operator.open("/dashboard/lab/switchboard/")
    page.get_by_role("button", name="Stop Redis").click()
    expect(page.locator(".banner")).to_contain_text("Redis was stopped.")
    shopper = arrive(development)
    for number in range(4):
        shopper.open(f"/search?q=mouse+{number}")
        assert shopper.provenance
    expect(page.locator(".effects__facts .is-bad").first).to_contain_text("down since")
    expect(page.locator(".effects__counts li", has_text="bypass")).not_to_contain_text(re.compile(r"\b0$"))
    watcher = arrive(development).open("/dashboard/")
    expect(watcher.locator(".way__station--down")).to_contain_text(re.compile("Redis.*down since", re.DOTALL))
    page.get_by_role("button", name="Start Redis").click()
    expect(page.locator(".banner")).to_contain_text("Redis was started.")
    expect(watcher.locator(".way__station--down")).to_have_count(0, timeout=15_000)


def test_who_stopped_mongodb_can_start_it_again(operator: Visitor) -> None:
    page = operator.open("/dashboard/lab/lessons/stale/3/")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator(".banner")).to_contain_text("MongoDB was stopped.")
    expect(page.locator(".effects__facts")).to_contain_text("stopped")
    page.get_by_role("link", name="5. Start MongoDB").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator(".banner")).to_contain_text("MongoDB was started.", timeout=60_000)
    expect(page.locator(".effects__facts")).to_contain_text(re.compile(r"MongoDB\s*up"), timeout=15_000)


def test_five_hundred_queries_are_replayed_and_their_interval_is_read(
    arrive: Callable[..., Visitor], operator: Visitor, development: Site
) -> None:
    page = operator.open("/dashboard/lab/")
    page.get_by_label("How many").fill("500")
    page.get_by_label("Pairs a second").fill("40")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="Replay", level=1)).to_be_visible()
    expect(page.locator(".badge--healthy")).to_have_text("done", timeout=120_000)
    text = page.locator(".ratio-block__text strong").inner_text()
    low, high = (float(part) for part in text.split(" to "))
    ratio = float(page.locator(".ratio-block__figure").inner_text().rstrip("×"))
    assert 1 < low <= ratio <= high
    expect(page.locator(".panel__note").first).to_contain_text("500 of 500 pairs")
    expect(page.locator("dl.facts")).to_contain_text(re.compile("Hash of the log[0-9a-f]{16}"))
    stranger = arrive(development).open(page.url.removeprefix(development.url))
    expect(stranger.locator(".ratio-block__figure")).to_have_text(f"{ratio:.1f}×")
    expect(stranger.get_by_role("button", name="Stop")).to_have_count(0)


def test_cold_may_mean_that_mongodb_was_restarted(development: Site) -> None:
    data_dir = Path(development.environment["DATA_DIR"])

    def starts() -> int:
        return (data_dir / "mongodb" / "mongod.log").read_text().count('"Waiting for connections"')

    before = starts()
    done = manage("replay", "--count", "2", "--cold", "mongodb", "--json", **development.environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["pairs"], told["discarded"]) == ("done", 2, 0)
    assert starts() == before + 2, "before each of its parts, of which two queries make two"
    assert json.loads((data_dir / "lab" / f"{told['id']}.json").read_text())["plan"]["cold"] == "mongodb"


def test_the_switchboard_is_for_staff(arrive: Callable[..., Visitor], development: Site) -> None:
    page = arrive(development).open("/dashboard/lab/switchboard/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


@pytest.mark.parametrize("path", ["/dashboard/lab/", "/dashboard/lab/switchboard/", "/dashboard/lab/lessons/hit/2/"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_lab(operator: Visitor, path: str, theme: str) -> None:
    operator.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    assert violations(operator.open(path)) == []
