"""A nurse gives the pretend PAS's log-on once, in a real browser, by keyboard, on a phone and at a desk."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from demo.hospital import configuration, servers
from demo.pas import Pas
from demo.people import USERS, patients
from demo.ports import free_port

from .desk import passes
from .hospital import Hospital, hospital, system
from .screen import ARTEFACTS
from .test_browser import WIDTHS

pytestmark = pytest.mark.browser

NURSE = USERS[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Hospital, Pas]]:
    pas, port = Pas(patients(), USERS), free_port()
    options = tomllib.loads(configuration("", ""))["systems"][1]["options"]
    entry = system("pas", "webform", f"http://127.0.0.1:{port}", options=options, start="/pas/main")
    entry |= {"title": "Patient administration (old)", "helpdesk": "PAS desk, extension 3333"}
    with servers({port: pas.app()}), hospital(tmp_path, [entry]) as running:
        yield running, pas


def signed_on(here: Hospital, window: BrowserContext) -> tuple[Page, list[str]]:
    """The launchpad, and whatever the browser complains of on pages of ours from there on."""
    page = window.new_page()
    page.goto(f"{here.url}/")
    page.get_by_role("button", name="Sign on").click()
    passes(page, "n.okoye", otp="")
    page.wait_for_url(f"{here.url}/")
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.location.get("url", "").startswith(here.url):
            complaints.append(message.text)

    page.on("console", heard)
    return page, complaints


def typed(page: Page, password: str) -> None:
    """By keyboard alone, from the first field on."""
    page.get_by_label("User name for this system").focus()
    page.keyboard.type(NURSE.pas_user)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("name", WIDTHS)
def test_the_pas_is_asked_for_once(place: tuple[Hospital, Pas], chromium: Browser, name: str) -> None:
    """From the tile to its frames: a wrong password is told beside the form, the right one opens the page, the next browser opens alone."""
    here, pas = place
    width, height = WIDTHS[name]
    window = chromium.new_context(viewport={"width": width, "height": height})
    page, complaints = signed_on(here, window)
    page.get_by_role("link", name="Patient administration (old)").click()
    expect(page.locator("h1")).to_have_text("Log on to Patient administration (old)")
    expect(page.get_by_text("PAS desk, extension 3333")).to_be_visible()
    typed(page, "not this one")
    expect(page.get_by_role("alert")).to_contain_text("did not take your user name and password")
    assert page.locator("[name=password]").input_value() == ""
    assert page.locator("[name=username]").input_value() == ""
    page.screenshot(path=ARTEFACTS / f"vault-told-{name}.png", full_page=True)
    typed(page, NURSE.pas_password)
    page.wait_for_url(f"{here.system_url('pas')}/pas/main")
    expect(page.frame_locator("frame").first.locator("body")).to_contain_text(NURSE.pas_user)
    assert pas.log_ons == 1
    page.go_back()  # to the form: nothing is offered to be sent once more
    expect(page.get_by_label("Password for this system")).to_have_value("")
    assert pas.log_ons == 1

    other, _ = signed_on(here, chromium.new_context())
    other.get_by_role("link", name="Patient administration (old)").click()
    other.wait_for_url(f"{here.system_url('pas')}/pas/main")
    other.goto(f"{here.url}/vault")
    expect(other.locator(".tile")).to_contain_text("last used")
    other.screenshot(path=ARTEFACTS / f"vault-kept-{name}.png", full_page=True)
    other.get_by_role("link", name="Replace").click()
    typed(other, NURSE.pas_password)
    other.wait_for_url(f"{here.system_url('pas')}/pas/main")
    other.goto(f"{here.url}/vault")
    other.get_by_role("button", name="Forget").click()
    expect(other.locator(".tile")).to_contain_text("you will be asked")
    assert complaints == []
