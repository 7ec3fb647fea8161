"""Chromium, and what stands on a page of it once it stands still."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from playwright.sync_api import Browser, Error, Page, Response, sync_playwright

from tests.counterparts.processes import missing

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
CHROMIUM = shutil.which("chromium")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_LEAVING = ("net::ERR_ABORTED", "interrupted by another navigation")
_STILL = "document.readyState === 'complete' && !document.documentElement.hidden"


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Chromium as people have it: Playwright switches the back-forward cache off, which the tests about Back are about."""
    if CHROMIUM is None:
        missing("chromium fonts-dejavu-core", command="chromium")
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as p, patch.object(Page, "goto", _goes(Page.goto)):
        browser = p.chromium.launch(
            executable_path=CHROMIUM, args=_ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield browser
        browser.close()


def _goes(goto: Callable[..., Response | None]) -> Callable[..., Response | None]:
    """An address that is typed while the page before leaves by itself is typed again, as anybody would."""

    def typed(page: Page, url: str, **options: Any) -> Response | None:
        for _ in range(2):
            try:
                return goto(page, url, **options)
            except Error as error:
                if not any(words in error.message for words in _LEAVING):
                    raise
                page.wait_for_timeout(200)
        return goto(page, url, **options)

    return typed


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
