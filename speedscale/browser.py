"""Headless Chromium for the browser tests and the screenshots: Debian's, never a downloaded one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""The shell comes first: without the windows and menus of a desktop it takes a fraction of the processor's time."""
_ARGUMENTS = (
    # A container or root has no user namespaces to sandbox with; the browser only ever sees pages of this project.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Chromium itself must not call anybody either.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--font-render-hinting=none",
)


class BrowserMissing(RuntimeError):
    """What drives the browser, or the browser itself, is not installed; the message names the package."""


def find_chromium() -> str:
    """Return the path of the browser.

    Raises:
        BrowserMissing: there is none on PATH.
    """
    for name in _NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise BrowserMissing("Chromium was not found: install Debian's package (apt-get install chromium-headless-shell).")


@contextmanager
def headless_chromium() -> Iterator[Browser]:
    """Start a browser and end it with the block.

    Raises:
        BrowserMissing: Playwright or Chromium is not installed.
    """
    executable = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BrowserMissing("Playwright was not found: pip install -r requirements-dev.txt.") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
