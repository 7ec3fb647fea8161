"""Devices in a real browser: enrolled by a link, proved at sign-on, not copied with cookies, revoked within a second."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from .desk import passes
from .hospital import Hospital, hospital
from .screen import ARTEFACTS, until
from .test_browser import fits

pytestmark = pytest.mark.browser

WIDTHS = {320: 640, 768: 1024, 1280: 800}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(tmp_path_factory.mktemp("devices"), []) as running:
        yield running


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    yield context
    context.close()


def listening(page: Page) -> list[str]:
    """What the browser complains of from here on: our policy in the way of our own script, for one."""
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            heard.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def link(place: Hospital, name: str = "Ward 7 PC 3") -> str:
    said = place.lanyard("device", "enrol", "--name", name, "--ward", "Ward 7", "--ownership", "shared", "--managed")
    assert said.returncode == 0, said.stderr
    return said.stdout.splitlines()[0]


def enrol(place: Hospital, page: Page, name: str = "Ward 7 PC 3") -> str:
    """By link, through the page; the device's id."""
    page.goto(link(place, name))
    page.get_by_role("button", name="Enrol this device").click()
    expect(page.get_by_role("status")).to_contain_text(f"Enrolled as {name}")
    return next(one["id"] for one in devices(place) if one["name"] == name)


def devices(place: Hospital) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.lanyard("device", "list", "--json").stdout.splitlines()]


def sign_on(place: Hospital, page: Page, login: str = "n.okoye") -> None:
    page.goto(f"{place.url}/sign-on")
    page.get_by_role("button", name="Sign on").click()
    page.wait_for_url(re.compile(f"{re.escape(place.issuer)}/interaction/|{re.escape(place.url)}/$"))
    if page.url.startswith(place.issuer):  # which may know the clinician, and ask nothing
        passes(page, login, otp="")
    page.wait_for_url(f"{place.url}/")


def seated_on(place: Hospital) -> str:
    """The device of whoever was seated last."""
    return str(place.events(type="session.seated")[-1]["device_id"])


def test_a_link_makes_a_browser_the_device(place: Hospital, window: BrowserContext) -> None:
    """Link, one click, sign-on: the session has the device's id, and its name stands where the clinician looks."""
    page = window.new_page()
    complaints = listening(page)
    device = enrol(place, page)
    assert "invitation" not in page.url
    page.get_by_role("link", name="Go to the sign-on page").click()
    expect(page.get_by_text("This device is Ward 7 PC 3.")).to_be_visible()
    sign_on(place, page)
    assert seated_on(place) == device
    page.goto(f"{place.url}/shift")
    expect(page.locator("main")).to_contain_text("Ward 7 PC 3")
    assert complaints == []


def test_the_key_cannot_be_taken_out_of_the_browser(place: Hospital, window: BrowserContext) -> None:
    """It is there, it signs, and no script can export it."""
    page = window.new_page()
    enrol(place, page, "Ward 7 PC 9")
    page.goto(f"{place.url}/sign-on")
    said = page.evaluate(
        """async () => {
          const open = indexedDB.open("lanyard", 1);
          const db = await new Promise((done) => { open.onsuccess = () => done(open.result); });
          const asked = db.transaction("device").objectStore("device").get("this");
          const { key } = await new Promise((done) => { asked.onsuccess = () => done(asked.result); });
          const export_ = await crypto.subtle.exportKey("jwk", key).then(() => "exported", (error) => error.name);
          return [key.type, key.extractable, key.algorithm.namedCurve, export_];
        }"""
    )
    assert said == ["private", False, "P-256", "InvalidAccessError"]


def test_a_copied_cookie_jar_does_not_become_the_device(
    place: Hospital, chromium: Browser, window: BrowserContext
) -> None:
    """Every cookie of an enrolled PC in another browser: signed on there, nobody is on the PC (OIDC-089)."""
    page = window.new_page()
    device = enrol(place, page, "Ward 7 PC 4")
    sign_on(place, page)
    assert seated_on(place) == device
    elsewhere = chromium.new_context()
    elsewhere.add_cookies(window.cookies())  # type: ignore[list-item,unused-ignore]  # what it gave is what it takes
    thief = elsewhere.new_page()
    sign_on(place, thief)
    assert seated_on(place) == ""
    elsewhere.close()


def test_a_revoked_device_is_refused_within_a_second(place: Hospital, window: BrowserContext) -> None:
    """The open session ends, the device signs nobody on any more, and a new link makes it known again."""
    page = window.new_page()
    device = enrol(place, page, "Ward 7 PC 5")
    sign_on(place, page)
    said = place.lanyard("device", "revoke", device[:12])
    assert "sessions ended: 1" in said.stdout
    revoked = time.monotonic()
    page.goto(f"{place.url}/shift")
    while not page.url.startswith(f"{place.url}/sign-on"):
        assert time.monotonic() - revoked < 1.0
        page.goto(f"{place.url}/shift")
    page.get_by_role("button", name="Sign on").click()
    expect(page.locator("h1")).to_have_text("You could not be signed on")
    expect(page.locator("dl")).to_contain_text("device-revoked")
    again = enrol(place, page, "Ward 7 PC 5 again")
    sign_on(place, page)
    assert seated_on(place) == again


def test_a_browser_without_scripts_signs_on_as_before(place: Hospital, chromium: Browser) -> None:
    """The form goes as it is; the page of a link says what else can be done."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(link(place))
    assert page.get_by_role("button").count() == 0
    assert "client certificate" in page.content()  # in `noscript`, which Playwright's emulation does not draw
    sign_on(place, page)
    assert seated_on(place) == ""
    context.close()


def test_a_browser_that_keeps_nothing_signs_on_and_uses_no_link_up(place: Hospital, chromium: Browser) -> None:
    """A kiosk without storage: the page says so, and the link is still good for another browser."""
    context = chromium.new_context()
    context.add_init_script("Object.defineProperty(window, 'indexedDB', { get() { throw new Error('none here') } })")
    page = context.new_page()
    address = link(place)
    page.goto(address)
    page.get_by_role("button", name="Enrol this device").click()
    expect(page.get_by_role("status")).to_contain_text("cannot keep a key")
    sign_on(place, page)
    assert seated_on(place) == ""
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200
    context.close()


def test_one_s_own_phone_counts_once_it_is_approved(place: Hospital, chromium: Browser) -> None:
    """Enrolled from `My shift`, approved by an operator, removed by its owner."""
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    sign_on(place, page)
    page.goto(f"{place.url}/shift")
    page.get_by_role("button", name="Enrol this device as mine").click()
    expect(page.get_by_role("status")).to_contain_text("waits to be approved")
    page.reload()
    expect(page.locator("main")).to_contain_text("Waits to be approved")
    own = next(one for one in devices(place) if one["ownership"] == "personal")
    assert own["state"] == "pending"
    assert place.lanyard("device", "approve", own["id"]).returncode == 0
    page.goto(place.url)
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("/signed-off|session/end"))
    sign_on(place, page)
    assert seated_on(place) == own["id"]
    page.goto(f"{place.url}/shift")
    page.get_by_role("button", name="Remove this device").click()
    page.wait_for_url(re.compile("/sign-on"))
    until(page, "document.readyState === 'complete'")
    sign_on(place, page)
    assert seated_on(place) == ""
    context.close()


def before_enrolling(place: Hospital, page: Page) -> None:
    page.goto(link(place, "Ward 7 PC 6, by the window of bay C"))


def just_enrolled(place: Hospital, page: Page) -> None:
    enrol(place, page, "Ward 7 PC 7")


def at_sign_on(place: Hospital, page: Page) -> None:
    enrol(place, page, "Ward 7 PC 8")
    page.goto(f"{place.url}/sign-on")
    expect(page.get_by_text("This device is Ward 7 PC 8.")).to_be_visible()


def not_recognised(place: Hospital, page: Page) -> None:
    page.goto(f"{place.url}/sign-on?device=device-signature")


def link_used(place: Hospital, page: Page) -> None:
    page.goto(f"{place.url}/device/enrol?invitation=used")


def my_devices(place: Hospital, page: Page) -> None:
    sign_on(place, page)
    page.goto(f"{place.url}/shift")
    page.get_by_role("button", name="Enrol this device as mine").click()
    expect(page.get_by_role("status")).to_contain_text("waits")
    page.reload()


PAGES = {
    page.__name__: page for page in (before_enrolling, just_enrolled, at_sign_on, not_recognised, link_used, my_devices)
}


@pytest.mark.parametrize("name", PAGES)
def test_its_pages_fit_every_screen(place: Hospital, window: BrowserContext, name: str) -> None:
    """At 320, 768 and 1280 px nothing is scrolled sideways; a picture of each is kept."""
    show: Callable[[Hospital, Page], None] = PAGES[name]
    page = window.new_page()
    complaints = listening(page)
    show(place, page)
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        fits(page)
        page.screenshot(path=Path(ARTEFACTS) / f"device-{name.replace('_', '-')}-{width}.png", full_page=True)
    assert complaints == []
