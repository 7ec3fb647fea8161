"""A nurse's journey in a real browser, at phone and desktop width, with a picture of each step in tests/artefacts/."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from demo.hospital import Hospital, configuration, hospital, servers
from demo.pas import Pas
from demo.people import USERS, patients
from demo.ports import free_port

from .certificate import certificate
from .hospital import Hospital as InFront
from .hospital import hospital as in_front
from .hospital import system
from .screen import ARTEFACTS, CHROMIUM, settled, until

pytestmark = pytest.mark.browser

WIDTHS = {"phone": (390, 844), "desktop": (1440, 900)}


@pytest.fixture(scope="module")
def place() -> Iterator[Hospital]:
    with hospital(free_port()) as running:
        yield running


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


def sign_on(place: Hospital, page: Page, who: str = "Ngozi Okoye") -> None:
    page.goto(place.url)
    page.get_by_role("button", name="Sign on").click()
    page.get_by_role("button", name=who).click()
    page.wait_for_url(f"{place.url}/")


def picture(page: Page, name: str) -> None:
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


def fits(page: Page) -> None:
    """Nothing sticks out to the right."""
    wide = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], f"{page.url} is {wide[0]} wide in {wide[1]}"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_journey(place: Hospital, chromium: Browser, width: str) -> None:
    """One sign-on, two systems, a record in each, a note, my shift, sign-off; and no complaint of the browser about our pages."""
    size = WIDTHS[width]
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=width == "phone")
    page = context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and f"//records.localhost:{place.port}" in message.location.get("url", ""):
            complaints.append(message.text)

    page.on("console", heard)
    page.goto(place.url)
    picture(page, f"{width}-1-sign-on")
    fits(page)
    page.get_by_role("button", name="Sign on").click()
    picture(page, f"{width}-2-provider")
    page.get_by_role("button", name="Ngozi Okoye").click()
    page.wait_for_url(f"{place.url}/")
    picture(page, f"{width}-3-launchpad")
    fits(page)
    page.get_by_role("link", name="Electronic patient record").click()
    page.wait_for_selector(".people button")
    picture(page, f"{width}-4-epr-list")
    page.locator(".people button").first.click()
    page.wait_for_selector(".parts section:nth-child(4) ul")
    expect(page.locator("#banner")).to_contain_text("NHS No. 999")
    assert "ould not be" not in page.inner_text("main")
    picture(page, f"{width}-5-epr-record")
    page.goto(place.url)
    page.get_by_role("link", name="Patient administration").click()
    page.wait_for_load_state()
    content = page.frame(name="content")
    assert content is not None
    content.get_by_role("button", name="Select").first.click()
    expect(content.locator(".banner")).to_contain_text("Hosp No")
    menu = page.frame(name="menu")
    assert menu is not None
    menu.get_by_role("button", name="Notes").click()
    content.locator("textarea").fill(f"Seen at {width}.")
    content.get_by_role("button", name="Save note").click()
    expect(content.locator("body")).to_contain_text(f"Seen at {width}.")
    picture(page, f"{width}-6-pas-notes")
    page.goto(f"{place.url}/shift")
    picture(page, f"{width}-7-my-shift")
    fits(page)
    page.goto(place.url)
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("/signed-off"))
    picture(page, f"{width}-8-signed-off")
    fits(page)
    assert complaints == []
    assert [c["name"] for c in context.cookies() if c["name"] == "__Host-lanyard"] == []
    context.close()


def test_a_refusal_says_why_and_what_would_help(place: Hospital, window: BrowserContext) -> None:
    """The receptionist opens clinical notes: a page that says what was refused, under which rule, and what to do."""
    page = window.new_page()
    sign_on(place, page, "Rupa Singh")
    answer = page.goto(f"http://pas.records.localhost:{place.port}/pas/notes")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("h1")).to_have_text("You may not open this")
    expect(page.locator("dl")).to_contain_text("no-permit")
    picture(page, "desktop-refusal")
    page.set_viewport_size({"width": 320, "height": 640})
    fits(page)
    picture(page, "small-refusal")


def test_a_system_that_is_down_says_so(window: BrowserContext) -> None:
    """A system that does not answer is told as that, with its helpdesk, and never as an empty page."""
    with hospital(free_port()) as place:
        page = window.new_page()
        sign_on(place, page)
        listed = f"http://pas.records.localhost:{place.port}/pas/worklist"
        shown = page.goto(listed)
        assert shown is not None
        assert shown.status == 200
        place.stop_pas()
        answer = shown
        while answer.status == 200:  # it takes a moment to go
            again = page.goto(listed)
            assert again is not None
            answer = again
        assert answer.status == 502
        expect(page.locator("h1")).to_contain_text("does not answer")
        expect(page.locator("dl")).to_contain_text("extension 3333")
        picture(page, "desktop-system-down")


def test_the_keyboard_reaches_everything(place: Hospital, window: BrowserContext) -> None:
    """Tab goes from the skip link to the tiles and the sign-off button, Enter opens."""
    page = window.new_page()
    sign_on(place, page)
    seen: list[str] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText"))
    assert {"Skip to main content", "Sign off", "Electronic patient record", "Patient administration (old)"} <= set(
        seen
    )
    page.get_by_role("link", name="Electronic patient record").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/viewer/"))


def test_our_pages_fit_a_small_screen(place: Hospital, window: BrowserContext) -> None:
    """At 320 px nothing has to be scrolled sideways."""
    page = window.new_page()
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{place.url}/sign-on")
    fits(page)
    sign_on(place, page)
    fits(page)
    picture(page, "small-launchpad")
    page.goto(f"{place.url}/shift")
    fits(page)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InFront, str]]:
    """The PAS behind a gateway over https, as in a hospital: browsers treat no-store differently on plain http."""
    folder = tmp_path_factory.mktemp("secure")
    pas, port = Pas(patients(), USERS), free_port()
    options = tomllib.loads(configuration("", ""))["systems"][1]["options"]
    with (
        servers({port: pas.app()}),
        in_front(
            folder,
            [system("pas", "webform", f"http://127.0.0.1:{port}", options=options)],
            credentials={"pas": {"n.okoye": (USERS[0].pas_user, USERS[0].pas_password)}},
            tls=certificate(folder),
        ) as running,
    ):
        yield running, pas.people[0].hospital_number


def test_back_after_sign_off_shows_nothing(secure: tuple[InFront, str], chromium: Browser) -> None:
    """On a ward PC, Back after sign-off shows no record and no name, on the main host and on a system's."""
    place, _ = secure
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    # The canary: with these settings a page that may be kept does come back out of the back-forward cache.
    page.goto(f"{place.system_url('pas')}/.lanyard/static/lanyard.css")
    page.evaluate("addEventListener('pageshow', (e) => { window.cameBack = e.persisted })")
    page.goto("about:blank")
    page.go_back(wait_until="commit")
    until(page, "window.cameBack === true")
    page.goto(place.url)
    page.get_by_role("button", name="Sign on").click()
    page.locator("[name=login]").fill("n.okoye")
    page.locator("[name=password]").fill("battery staple")
    page.get_by_role("button").click()
    page.wait_for_url(f"{place.url}/")
    page.goto(f"{place.system_url('pas')}/pas/worklist")
    page.get_by_role("button", name="Select").first.click()
    record = page.locator(".banner").inner_text()[-12:]  # the NHS number
    assert record.startswith("999 ")
    page.goto(place.url)
    assert "N Okoye" in page.content()
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("/signed-off|session/end"))
    visited: list[str] = []
    for _ in range(6):
        page.go_back(wait_until="commit")
        settled(page)
        visited.append(page.url)
        text = page.content()
        assert record not in text, page.url
        assert "N Okoye" not in text, page.url
    # The system's pages were asked for again, and led to the sign-on page with a ticket in place of their address.
    assert any("/sign-on?next=/enter" in url for url in visited), visited
    context.close()


def test_the_pictures_are_kept() -> None:
    """What was seen can be looked at later."""
    if not os.environ.get("CI") and CHROMIUM is None:
        pytest.skip("no browser here")
    assert len(list(ARTEFACTS.glob("*.png"))) >= 16
