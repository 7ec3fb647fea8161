"""What is learned from a browser's recording of a real system logs on there, without a word of it written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from connectors.base import Credential, SystemConfig
from connectors.errors import CredentialRefused
from connectors.kit import learned
from connectors.webform import WebformConnector
from tests.counterparts.django_admin import USERS as DJANGO_USERS
from tests.counterparts.django_admin import django_admin
from tests.counterparts.dokuwiki import USERS as WIKI_USERS
from tests.counterparts.dokuwiki import dokuwiki

pytestmark = pytest.mark.counterpart


def recorded(chromium: Browser, file: Path, visit: Callable[[Page], None]) -> bytes:
    """What a browser's network panel saves, with content."""
    context = chromium.new_context(record_har_path=file, record_har_content="embed")
    visit(context.new_page())
    context.close()
    return file.read_bytes()


def at_django(origin: str) -> Callable[[Page], None]:
    def visit(page: Page) -> None:
        page.goto(f"{origin}/admin/login/?next=/admin/")
        for word in ("wrong-word", DJANGO_USERS["okoye"]):
            page.fill("#id_username", "okoye")
            page.fill("#id_password", word)
            page.locator("input[type=submit]").click()
            page.wait_for_load_state()
        page.goto(f"{origin}/admin/auth/user/2/change/")

    return visit


def at_the_wiki(origin: str) -> Callable[[Page], None]:
    def visit(page: Page) -> None:
        page.goto(f"{origin}/doku.php?id=start&do=login")
        for word in ("wrong-word", WIKI_USERS["okoye"]):
            page.fill("input[name=u]", "okoye")
            page.fill("input[name=p]", word)
            page.locator("#dw__login button[type=submit]").click()
            page.wait_for_load_state()

    return visit


async def logged_on(origin: str, options: dict[str, Any], word: str) -> dict[str, Any]:
    made = WebformConnector(SystemConfig("old", "Old", origin, options, 65_536))
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False) as client:
        return (await made.log_on(Credential("okoye", word), client)).state


@pytest.mark.parametrize("which", ["django", "wiki"])
def test_a_recording_is_enough_to_log_on(which: str, chromium: Browser, tmp_path: Path) -> None:
    """The right word is taken and a wrong one refused; nothing that was typed stands in what is proposed."""
    (tmp_path / "site").mkdir()
    if which == "django":
        with django_admin(tmp_path / "site") as django:
            found = learned(recorded(chromium, tmp_path / "a.har", at_django(django.origin)))
            tried(django.origin, found.options, DJANGO_USERS["okoye"])
    else:
        with dokuwiki(tmp_path / "site") as wiki:
            found = learned(recorded(chromium, tmp_path / "a.har", at_the_wiki(wiki)))
            tried(wiki, found.options, WIKI_USERS["okoye"])
    assert "CHANGE" not in found.toml("old")
    assert not [
        word for word in ("wrong-word", *DJANGO_USERS.values(), *WIKI_USERS.values()) if word in found.toml("old")
    ]
    assert any(route.get("asset") for route in found.options["routes"])


def tried(origin: str, options: dict[str, Any], word: str) -> None:
    """In a thread of its own: the browser's has a loop already."""
    with ThreadPoolExecutor(1) as beside:
        assert beside.submit(asyncio.run, logged_on(origin, options, word)).result(60)["cookies"]
        with pytest.raises(CredentialRefused):
            beside.submit(asyncio.run, logged_on(origin, options, "wrong-word")).result(60)
