"""A badge reader at a ward PC in a real browser: tap, PIN, and the page that one left; and a colleague at a locked desk."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .certificate import certificate
from .desk import chooses_pin, pictured
from .hospital import Hospital, hospital, system
from .recorder import Recorder
from .test_devices import enrol, listening
from .test_locks import PIN, RECORD, pas, signed_on
from .ward import LOGIN, old_system

__all__ = ["pas"]

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

OKOYE_S, LEE_S = "0004512987", "04A2245B"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, pas: Recorder) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("badges")
    people = {"pas": {"n.okoye": ("okoye", "a"), "dr.lee": ("lee", "b")}}
    old = system("pas", "webform", pas.origin, options=old_system(location=LOGIN))
    with hospital(folder, [old], credentials=people, tls=certificate(folder), badges={"enabled": True}) as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(ignore_https_errors=True)
    yield context.new_page()
    context.close()


def tap(page: Page, number: str) -> None:
    """As a keyboard-wedge reader types: five milliseconds from key to key, Enter at the end, wherever the cursor is."""
    keys = page.context.new_cdp_session(page)
    at = time.time()
    for key in [*number, "Enter"]:
        at += 0.005
        typed = {"text": "\r"} if key == "Enter" else {"text": key}
        keys.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "timestamp": at, **typed})
        keys.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "timestamp": at})


def on_shift(place: Hospital, page: Page, login: str, badge: str, name: str) -> None:
    """Signed on at a PC of the ward, with a PIN and a badge."""
    enrol(place, page, name)
    page.goto(place.url)
    signed_on(page, login)
    page.wait_for_url(f"{place.url}/")
    chooses_pin(page, place.url, PIN)
    page.get_by_role("link", name="Your badges").click()
    expect(page.get_by_label("Tap the badge now")).to_be_focused()
    tap(page, badge)
    expect(page.get_by_role("heading", name="Badge 1")).to_be_visible()


def test_a_badge_and_a_pin_lead_from_hand_to_hand(place: Hospital, chromium: Browser, page: Page) -> None:
    """A's own desk by tap and PIN; B's tap takes it over into the shift that B has elsewhere; A's next tap is back on A's page."""
    complaints = listening(page)
    other = chromium.new_context(ignore_https_errors=True)
    lee = other.new_page()
    on_shift(place, lee, "dr.lee", LEE_S, "Ward 8 PC 1")
    on_shift(place, page, "n.okoye", OKOYE_S, "Ward 7 PC 3")
    pictured(page, "badges")
    record = f"{place.system_url('pas')}/records/7"
    page.goto(record)
    page.wait_for_url(record)  # by way of the device's proof
    for login, badge, back in (("okoye", OKOYE_S, record), ("lee", LEE_S, f"{place.url}/"), ("okoye", OKOYE_S, record)):
        if page.url == record:
            locked = page.context.new_page()
            locked.goto(place.url)
            locked.get_by_role("button", name="Lock").click()
            locked.close()
            page.reload()
        else:
            page.get_by_role("button", name="Lock").click()
        expect(page.get_by_role("heading", name="Locked")).to_be_visible()
        expect(page.get_by_label("Your PIN")).to_be_focused()
        pictured(page, "badge-unlock")
        page.set_viewport_size({"width": 1280, "height": 800})
        begun = time.monotonic()
        tap(page, badge)
        expect(page.get_by_role("heading", name="Your PIN")).to_be_visible()
        asked = time.monotonic()
        page.keyboard.type(PIN)
        page.keyboard.press("Enter")
        page.wait_for_url(back)
        if login == "lee":
            expect(page.locator(".person")).to_contain_text("Lee")
        else:
            assert RECORD.format(user=login) in page.content()
        print(f"{login}: tap to PIN {asked - begun:.2f} s, tap and PIN to the page {time.monotonic() - begun:.2f} s")
    assert [e["subject"] for e in place.events(type="session.switched")] == ["n.okoye", "dr.lee"]
    assert len(place.events(type="login.ok")) == 2, "nobody has typed a password since"
    assert len(place.events(type="login.failed")) == 0, "no PIN was tried with a badge's number"
    lee.goto(place.url)
    expect(lee.get_by_role("heading", name="Locked")).to_be_visible()
    assert complaints == []
    assert OKOYE_S.lstrip("0") not in place.log()
    other.close()


def test_a_free_desk_takes_a_badge_from_its_sign_on_page(place: Hospital, page: Page) -> None:
    """Where the browser is enrolled there is a field; a wrong PIN says so, and a badge that nobody has looks the same."""
    page.goto(f"{place.url}/sign-on")
    expect(page.get_by_label("Or tap a badge")).to_be_hidden()
    enrol(place, page, "Ward 7 PC 9")
    page.goto(f"{place.url}/sign-on")
    expect(page.get_by_label("Or tap a badge")).to_be_visible()
    pictured(page, "badge-sign-on")
    tap(page, "0009999999")
    expect(page.get_by_role("heading", name="Your PIN")).to_be_visible()
    pictured(page, "badge-pin")
    page.get_by_label("PIN").fill("284918")
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    pictured(page, "badge-wrong")
