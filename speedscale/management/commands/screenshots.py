"""Take the pictures of README and documentation from a running, seeded SpeedScale."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from speedscale.browser import BrowserMissing, headless_chromium
from speedscale.embedded.state import read_endpoints

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SIZES = {
    "desktop": (1160, 700),
    "tall": (1160, 1000),
    "taller": (1160, 1660),
    "tablet": (834, 1112),
    "phone": (390, 844),
}
_MAX_BYTES = 300_000
_ROUNDS = 6
_ASKED_OF_THE_API = ("/api/search?query=wireless+mouse", "/api/search?query=desk", "/api/trending")
_WARM_UP = (
    "/search?q=wireless+mouse",
    "/search?q=keyboard&sort=price_asc",
    "/search?q=laptop&in_stock=true",
    "/search?category=audio",
    "/search?q=usb+cable",
    "/search?q=monitor&max_price=400",
    "/search?q=headphones&sort=rating",
)


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to take: of which page, on which device, in which theme."""

    page: str
    path: str
    device: str
    theme: Literal["light", "dark"]

    @property
    def file_name(self) -> str:
        device = "desktop" if self.device in {"tall", "taller"} else self.device
        return f"{self.page}-{device}-{self.theme}.png"


class Command(BaseCommand):
    help = "Take the pictures of README and documentation in headless Chromium from a running, seeded SpeedScale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        running = read_endpoints(settings.DATA_DIR).web_url or f"http://127.0.0.1:{settings.PORT}"
        parser.add_argument("--url", default=running, help="address of the running site (default: %(default)s)")
        parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder (default: %(default)s)")

    def handle(self, *args: Any, url: str, output: Path, **options: Any) -> None:
        del args, options
        from playwright.sync_api import Error

        output.mkdir(parents=True, exist_ok=True)
        try:
            with headless_chromium() as browser:
                for shot in (*_shots(_warm_up(browser, url)), *_shots_of_what_was_kept(browser, url)):
                    self._take(browser, url, shot, output / shot.file_name)
        except BrowserMissing as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(f"{url}: {error.message.splitlines()[0]}") from error

    def _take(self, browser: Browser, url: str, shot: Shot, target: Path) -> None:
        width, height = _SIZES[shot.device]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=shot.theme, reduced_motion="reduce"
        )
        page = context.new_page()
        # The first visit fetches the font, which the second one shows from the start.
        for _ in range(2):
            page.goto(url + shot.path, wait_until="networkidle")
        page.screenshot(path=target)
        context.close()
        size = target.stat().st_size
        note = f" (above {_MAX_BYTES // 1000} kB)" if size > _MAX_BYTES else ""
        self.stdout.write(f"{target}  {size / 1000:.0f} kB{note}")


def _warm_up(browser: Browser, url: str) -> str:
    """Search as visitors and programs do, so that the dashboard has something to tell; return the path of a product."""
    page = browser.new_page()
    product = "/"
    for round_number in range(_ROUNDS):
        for path in _WARM_UP:
            page.goto(url + path, wait_until="domcontentloaded")
            link = page.locator(".card__name a").first
            if round_number == 0 and product == "/" and link.count():
                product = (link.get_attribute("href") or "/").partition("?")[0]
        page.goto(url + product, wait_until="domcontentloaded")
        for path in _ASKED_OF_THE_API:
            page.request.get(url + path)
    page.close()
    return product


def _shots(product: str) -> tuple[Shot, ...]:
    search = "/search?q=wireless+mouse"
    nothing = "/search?q=hovercraft"
    return (
        Shot("home", "/", "desktop", "light"),
        Shot("home", "/", "phone", "dark"),
        Shot("results", search, "desktop", "light"),
        Shot("results", "/search?category=computers&in_stock=true&max_price=900", "desktop", "dark"),
        Shot("results", search, "phone", "light"),
        Shot("product", product, "desktop", "light"),
        Shot("product", product, "tablet", "dark"),
        Shot("nothing-found", nothing, "tablet", "light"),
        Shot("error", "/search?q=mouse&min_price=cheap", "phone", "light"),
        Shot("dashboard", "/dashboard/", "taller", "light"),
        Shot("dashboard", "/dashboard/", "taller", "dark"),
        Shot("dashboard", "/dashboard/", "phone", "dark"),
    )


def _shots_of_what_was_kept(browser: Browser, url: str) -> tuple[Shot, ...]:
    """Return pictures of single things that the dashboard keeps: a miss, a value, and the newest replays, if any."""
    page = browser.new_page()

    def addresses(path: str) -> list[str]:
        page.goto(url + path)
        links = page.locator("table.data tbody a")
        return [links.nth(number).get_attribute("href") or "" for number in range(min(links.count(), 2))]

    shots = [Shot("request", path, "tall", "light") for path in addresses("/dashboard/history/?outcome=miss")[:1]]
    shots += [
        Shot("key", path, "desktop", "light") for path in addresses("/dashboard/keys/?prefix=search:wireless")[:1]
    ]
    runs = addresses("/dashboard/lab/")
    if runs:
        beside = f"?with={runs[1].rstrip('/').rpartition('/')[2]}" if len(runs) > 1 else ""
        shots.append(Shot("replay", runs[0] + beside, "tall", "dark"))
    page.close()
    return tuple(shots)
