"""The lab in a browser, on everything that `manage.py up` runs: a replay with its interval, and failures on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, expect

from speedscale.embedded.state import read_endpoints
from speedscale.lab.runs import Pair, Plan, Run
from speedscale.tests.browser.site import Site, hire, seed
from speedscale.tests.browser.test_access import SHOWN, shown, violations
from speedscale.tests.browser.visitor import Visitor, cookies_of
from speedscale.tests.commands import manage
from speedscale.tests.running import Run as Up

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A whole development site with 300 products, and an account named operator; no model of recommendations."""
    directory = tmp_path_factory.mktemp("lab-data")
    run = Up(directory, "--no-seed", WEB_CONCURRENCY="2", RATE_LIMIT_SEARCH="")
    try:
        run.wait_until_ready()
        site = Site(url=run.url.rstrip("/"), environment=run.variables)
        seed(count=300, mongo_uri=read_endpoints(directory).mongo_uri, mongo_db="speedscale")
        hire(site, "operator")
        yield site
    finally:
        run.close()


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, development: Site) -> Any:
    """The cookies of the operator, who signs in once."""
    return cookies_of(chromium, development, "operator", "/accounts/login/?next=/dashboard/lab/")


@pytest.fixture
def operator(arrive: Callable[..., Visitor], development: Site, signed_in: Any) -> Visitor:
    return arrive(development, storage_state=signed_in)


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


@pytest.mark.parametrize("count", [150, pytest.param(500, marks=pytest.mark.drill)])
def test_queries_are_replayed_and_their_interval_is_read(
    arrive: Callable[..., Visitor], operator: Visitor, development: Site, count: int
) -> None:
    page = operator.open("/dashboard/lab/")
    page.get_by_label("How many").fill(str(count))
    # Slow enough for a busy machine: beyond what it serves, the figures tell of waiting.
    page.get_by_label("Pairs a second").fill("20")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="Replay", level=1)).to_be_visible()
    expect(page.locator(".badge--healthy")).to_have_text("done", timeout=120_000)
    text = page.locator(".ratio-block__text strong").inner_text()
    low, high = (float(part) for part in text.split(" to "))
    ratio = float(page.locator(".ratio-block__figure").inner_text().rstrip("×"))
    assert 1 < low <= ratio <= high
    expect(page.locator(".panel__note").first).to_contain_text(f"{count} of {count} pairs")
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


def test_axe_finds_nothing_in_the_lab(operator: Visitor) -> None:
    operator.page.emulate_media(reduced_motion="reduce")
    for path in ("/dashboard/lab/", "/dashboard/lab/switchboard/", "/dashboard/lab/lessons/hit/2/"):
        page = operator.open(path)
        for theme, width in SHOWN:
            assert violations(shown(page, theme, width)) == [], (path, theme)


def test_two_runs_beside_each_other_fit_a_phone(arrive: Callable[..., Visitor], development: Site) -> None:
    runs = Path(development.environment["DATA_DIR"]) / "lab"
    runs.mkdir(exist_ok=True)  # Whatever ran before.
    for number in (1, 2):
        pairs = [Pair("mouse", 12.0 * number, 1.5, 11.0, 1.0, True)] * 9
        run = Run(id=f"20260101-00000{number}-abcd", plan=Plan(), state="done", total=9, finished=9, pairs=pairs)
        (runs / f"{run.id}.json").write_bytes(orjson.dumps(asdict(run)))
    phone = arrive(development, viewport={"width": 390, "height": 844})
    page = phone.open("/dashboard/lab/runs/20260101-000001-abcd/?with=20260101-000002-abcd")
    expect(page.locator(".ratio-block__figure")).to_have_count(2)
    for block in page.locator(".ratio-block").all():
        box = block.bounding_box()
        assert box is not None
        assert box["width"] <= 390
        assert box["height"] < 300, "the words beside the ratio have room"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
