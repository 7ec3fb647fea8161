"""What stands on a Chromium page, once it stands still."""

from __future__ import annotations

import contextlib
import time

from playwright.sync_api import Error, Page

_STILL = "document.readyState === 'complete' && !document.documentElement.hidden"


def until(page: Page, expression: str, within: float = 20.0) -> None:
    """Wait until a script's expression is true in the page.

    Asked again and again from outside: what Playwright leaves in the page to wait is an `eval`, which our pages' policy forbids.
    """
    end = time.monotonic() + within
    while time.monotonic() < end:
        with contextlib.suppress(Error):  # the page is just being left
            if page.evaluate(expression):
                return
        page.wait_for_timeout(20)
    raise AssertionError(f"`{expression}` did not come true on {page.url} within {within} s")


def settled(page: Page) -> None:
    """The page is there, and not hidden for being an old one that is about to be asked for anew."""
    until(page, _STILL)
