"""A security officer and a tablet, in two browsers: a link by its picture, a look at a record, what was opened, and the end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .desk import passes
from .hospital import Hospital, hospital, system
from .recorder import Recorder, recorder
from .screen import ARTEFACTS, until
from .test_browser import fits
from .test_devices import listening
from .ward import LOGIN, answers, old_system

pytestmark = pytest.mark.browser

WIDTHS = {320: 640, 768: 1024, 1280: 800}
PATIENT = "9990000018"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    with recorder(answers) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, upstream: Recorder) -> Iterator[Hospital]:
    pas = system("pas", "webform", upstream.origin, options=old_system(location=LOGIN))
    pas["title"] = "Patient administration"
    people = {"pas": {"n.okoye": ("okoye", "secret")}}
    with hospital(tmp_path_factory.mktemp("desk"), [pas], credentials=people) as running:
        yield running


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def tablet(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 768, "height": 1024}, has_touch=True)
    yield context
    context.close()


def sign_on(place: Hospital, page: Page, login: str) -> None:
    page.goto(f"{place.url}/sign-on")
    page.get_by_role("button", name="Sign on").click()
    passes(page, login)
    page.wait_for_url(f"{place.url}/")


def pictured(page: Page, name: str) -> None:
    """At three widths, and nothing is scrolled sideways."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        fits(page)
        page.screenshot(path=ARTEFACTS / f"desk-{name}-{width}.png", full_page=True)


def linked(page: Page, name: str) -> str:
    """The form filled in; the link that the page shows once."""
    page.get_by_role("link", name="Enrol a device").click()
    page.get_by_label("What people call it").fill(name)
    page.get_by_label("Ward", exact=True).fill("Ward 9")
    page.get_by_label("Who uses it").select_option("issued")
    pictured(page, "enrol")
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator(".qr svg")).to_be_visible()
    pictured(page, "link")
    return page.locator(".address").inner_text().strip()


def test_a_tablet_is_enrolled_watched_and_taken_out_of_use(
    place: Hospital,
    upstream: Recorder,
    window: BrowserContext,
    tablet: BrowserContext,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The officer never touches it; what was opened on it is on their page, and it is refused within a second of its end."""
    officer, nurse = window.new_page(), tablet.new_page()
    record = f"{place.system_url('pas')}/records/{PATIENT}"
    complaints = listening(officer)
    sign_on(place, officer, "s.reid")
    officer.get_by_role("link", name="Devices").click()
    nurse.goto(linked(officer, "Ward 9 tablet 1"))
    nurse.get_by_role("button", name="Enrol this device").click()
    expect(nurse.get_by_role("status")).to_contain_text("Enrolled as Ward 9 tablet 1")
    sign_on(place, nurse, "n.okoye")
    nurse.goto(record)
    nurse.wait_for_url(record)  # by way of the main host, where the tablet proves itself
    expect(nurse.locator("body")).to_contain_text("RECORD-CANARY")

    officer.goto(f"{place.url}/security/devices")
    officer.get_by_label("Name, ward or owner").fill("tablet")
    officer.get_by_role("button", name="Find").click()
    pictured(officer, "list")
    officer.get_by_role("link", name="Ward 9 tablet 1").click()
    expect(officer.get_by_role("heading", name="N Okoye")).to_be_visible()
    expect(officer.locator("main")).to_contain_text("Opened: Patient administration")
    pictured(officer, "device")
    officer.get_by_role("link", name="What was opened on it").click()
    row = officer.locator("tbody tr").filter(has_text=PATIENT)
    expect(row).to_contain_text("N Okoye")
    expect(row).to_contain_text("Patient administration")
    pictured(officer, "opened")

    officer.go_back()
    officer.go_back()  # what was looked for is still there
    expect(officer.locator("tbody tr")).to_have_count(1)
    officer.go_forward()
    officer.get_by_role("link", name="Take out of use").click()
    expect(officer.locator("main")).to_contain_text("1 session on it ends within a second")
    officer.get_by_label("Why").select_option("stolen")
    pictured(officer, "revoke")
    officer.get_by_role("button", name="Take it out of use").click()
    expect(officer.get_by_role("status")).to_contain_text("Out of use")
    revoked, seen = time.monotonic(), len(upstream.seen)
    nurse.goto(record)
    while not nurse.url.startswith(f"{place.url}/sign-on") and time.monotonic() - revoked < 1.0:
        nurse.goto(record)
    with capsys.disabled():
        print(f"\nrefused {time.monotonic() - revoked:.2f} s after the officer's page said so")
    nurse.goto(record)
    nurse.wait_for_url(re.compile(f"{re.escape(place.url)}/sign-on"))
    assert len([one for one in upstream.seen[seen:] if "records" in one.path]) <= 1
    pictured(officer, "revoked")
    (event,) = place.events(type="device.revoked")
    assert (event["by"], event["name"], event["reason"]) == ("s.reid", "Sam Reid", "stolen")
    assert complaints == []


def test_the_desk_needs_no_script(place: Hospital, chromium: Browser) -> None:
    """Link, name, end: each a form, in a browser that runs none."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_on(place, page, "s.reid")
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("link", name="Enrol a device").click()
    page.get_by_label("What people call it").fill("Ward 9 PC 9")
    page.get_by_role("button", name="Make the link").click()
    assert "invitation=" in page.locator(".address").inner_text()
    place.lanyard("device", "enrol", "--name", "Kiosk", "--ownership", "shared", "--certificate-issuer", "CN=CA",
                  "--certificate-subject", "CN=k")  # fmt: skip
    page.goto(f"{place.url}/security/devices")
    page.get_by_role("link", name="Kiosk").click()
    page.get_by_role("link", name="Name or ward").click()
    page.get_by_label("What people call it").fill("Theatre kiosk")
    page.get_by_role("button", name="Change it").click()
    expect(page.locator("h1")).to_have_text("Theatre kiosk")
    page.get_by_role("link", name="Take out of use").click()
    page.get_by_label("Why").select_option("retired")
    page.get_by_role("button", name="Take it out of use").click()
    expect(page.locator("main")).to_contain_text("revoked")
    context.close()


def test_a_nurse_meets_the_usual_refusal(place: Hospital, tablet: BrowserContext) -> None:
    """No link on the launchpad, and at the address a page that says why."""
    page = tablet.new_page()
    sign_on(place, page, "n.okoye")
    assert page.get_by_role("link", name="Devices").count() == 0
    page.goto(f"{place.url}/security/devices")
    until(page, "document.readyState === 'complete'")
    expect(page.locator("h1")).to_have_text("You may not open this")
    pictured(page, "refused")
