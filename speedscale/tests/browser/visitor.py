"""A person at a browser, who notices what a person at the developer tools would notice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from speedscale.tests.browser.site import PASSWORD, Site

# What htmx says of a request that ends because its page is left; other failures have a message of their own besides.
_LEFT_MESSAGES = ("htmx:sendAbort", "htmx:afterRequest")
_STATUS_MESSAGES = ("Failed to load resource: the server responded with a status of", "Response Status Error Code")
_SHIFTS = """
window.layoutShifts = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput)
    for (const {node, previousRect: was, currentRect: is} of entry.sources)
      window.layoutShifts.push(`${node?.className || node?.nodeName} from ${was.x},${was.y} to ${is.x},${is.y}`);
}).observe({type: "layout-shift", buffered: true});
"""


@dataclass
class Visitor:
    """A page in a browser with an empty cache, and everything that went wrong in it."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    @classmethod
    def arrive(cls, context: BrowserContext, origin: str) -> Visitor:
        """Open a page in ``context`` and begin to watch it."""
        context.add_init_script(_SHIFTS)
        visitor = cls(page=context.new_page(), origin=origin)
        visitor.page.on("console", visitor._hear)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(f"uncaught: {error}"))
        visitor.page.on("request", visitor._see_request)
        visitor.page.on("response", visitor._see_response)
        return visitor

    def open(self, path: str) -> Page:
        """Go to a path of the site and wait until it is loaded."""
        self.page.goto(self.origin + path)
        return self.page

    def leave(self) -> None:
        """Close the page and its connections."""
        self.page.context.close()

    def search(self, words: str) -> None:
        """Type into the first search field of the page and send it."""
        field = self.page.locator("input[type=search]").first
        field.fill(words)
        field.press("Enter")
        self.page.wait_for_load_state("networkidle")

    @property
    def cards(self) -> Locator:
        """The products of the result list."""
        return self.page.locator("#product-results .card")

    @property
    def first_path(self) -> str:
        """The path of the first product of the result list, without the way by which it was found."""
        return (self.cards.first.get_by_role("link").get_attribute("href") or "").partition("?")[0]

    @property
    def names(self) -> list[str]:
        """The names of the products of the result list."""
        return self.page.locator("#product-results .card__name").all_inner_texts()

    @property
    def provenance(self) -> str:
        """The line that tells where the answer came from."""
        return self.page.locator(".provenance__summary").first.inner_text()

    @property
    def shifts(self) -> list[str]:
        """What has moved under the page's reader so far, and where to; empty where the shift (CLS) is 0."""
        return [str(shift) for shift in self.page.evaluate("window.layoutShifts")]

    def _hear(self, message: ConsoleMessage) -> None:
        # A 404 is the page's business; what the browser itself objects to is ours.
        expected = message.text.startswith((*_LEFT_MESSAGES, *_STATUS_MESSAGES))
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(f"{message.type}: {message.text}")

    def _see_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.foreign_requests.append(request.url)

    def _see_response(self, response: Response) -> None:
        self.statuses[response.url.removeprefix(self.origin)] = response.status


def sign_in(page: Page, name: str) -> None:
    """Sign in by the form that ``page`` shows, and wait until that is done."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page).not_to_have_url(re.compile("/accounts/login/"))


def cookies_of(browser: Browser, site: Site, name: str, path: str) -> Any:
    """Sign in on the way to ``path``, and return what a context has to begin with to be signed in as well."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.url + path)
    sign_in(page, name)
    state = context.storage_state()
    context.close()
    return state
