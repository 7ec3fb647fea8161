"""A ward PC in a real browser: locked by idling, unlocked by PIN, handed from one clinician to another and back."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .certificate import certificate
from .desk import chooses_pin, passes, pictured, types_pin
from .hospital import Hospital, hospital, system
from .recorder import Recorder, Seen, recorder, reply
from .screen import settled
from .test_devices import enrol, listening
from .ward import LOGIN, answers, old_system

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

RECORD = "RECORD-OF-{user}"
FORM = "<form method=post action=/records/{number}/scan><input name=note><button>Save</button></form>"
PIN = "284917"


@pytest.fixture(scope="module")
def pas() -> Iterator[Recorder]:
    """Its pages say for whom they were made, and have a form."""
    users: dict[str, str] = {}  # by cookie

    def by_user(seen: Seen) -> bytes:
        said = answers(seen)
        if seen.path == LOGIN and seen.method == "POST":
            cookie = re.search(rb"JSESSIONID=[^;]+", said)
            assert cookie is not None
            users[cookie[0].decode()] = seen.content.decode().partition("u=")[2].partition("&")[0]
        elif seen.path.startswith("/records/"):
            page = RECORD.format(user=users[seen.header("cookie")[0]]) + FORM.format(
                number=seen.path.strip("/").split("/")[-1]
            )
            return reply(f"<!doctype html><title>PAS</title><p>{page}".encode())
        return said

    with recorder(by_user) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, pas: Recorder) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("locks")
    (folder / "clock").write_text("0")
    people = {"pas": {"n.okoye": ("okoye", "a"), "dr.lee": ("lee", "b")}}
    old = system("pas", "webform", pas.origin, options=old_system(location=LOGIN), guard="off: an old tab is to try")
    with hospital(folder, [old], credentials=people, tls=certificate(folder), started=False) as running:
        running.program = ("tests.journey.ward_pc", str(folder / "clock"))
        running.start()
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(ignore_https_errors=True)
    yield context.new_page()
    context.close()


def signed_on(page: Page, login: str) -> None:
    """From a page with our button, through the provider's form."""
    page.get_by_role("button", name=re.compile("^(Sign on|Unlock by signing on again|Sign on all the same)$")).click()
    passes(page, login)


def opened(page: Page, address: str) -> None:
    """A system's page, once the desk has proved itself on the way."""
    page.goto(address)
    page.wait_for_url(address)


def test_a_desk_locks_by_idling_and_a_pin_leads_back(place: Hospital, page: Page) -> None:
    """To the page that was left, in the same session; meanwhile nothing of it can be opened, and no provider is asked."""
    complaints = listening(page)
    enrol(place, page)
    page.goto(place.url)
    signed_on(page, "n.okoye")
    page.get_by_role("link", name="My shift").click()
    page.get_by_role("link", name="Set a PIN").click()
    types_pin(page, "123456")
    expect(page.get_by_role("alert")).to_contain_text("first that somebody would try")
    pictured(page, "locks-pin")
    types_pin(page, PIN)
    page.wait_for_url(f"{place.url}/shift")
    record = f"{place.system_url('pas')}/records/123"
    opened(page, record)
    assert RECORD.format(user="okoye") in page.content()
    (place.folder / "clock").write_text("310")
    page.reload()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    assert RECORD.format(user="okoye") not in page.content()
    pictured(page, "locks-unlock")
    page.get_by_label("Your PIN").fill("000000")
    page.get_by_role("button", name="Unlock", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("does not unlock")
    begun = time.monotonic()
    page.get_by_label("Your PIN").fill(PIN)
    page.keyboard.press("Enter")
    page.wait_for_url(record)
    assert RECORD.format(user="okoye") in page.content()
    print(f"from the PIN to the page: {time.monotonic() - begun:.2f} s")
    assert complaints == []
    (place.folder / "clock").write_text("0")
    place.stop(signal.SIGKILL)  # a clock that is set back is believed after a restart only
    place.start()
    assert [e["reason"] for e in place.events(type="session.locked")] == ["idle"]
    assert [e["method"] for e in place.events(type="session.unlocked")] == ["pin"]
    assert [e["device_name"] for e in place.events(type="session.seated")] == ["Ward 7 PC 3"]
    assert len(place.events(type="session.seated")) == 1
    assert len(place.events(type="upstream.logged_on")) == 1


def test_copied_cookies_of_a_locked_desk_unlock_nothing(place: Hospital, chromium: Browser, page: Page) -> None:
    """The right PIN, every cookie, another browser: told why. The desk that lost its key is told too, and goes on as an unknown device."""
    enrol(place, page, "Ward 7 PC 4")
    page.goto(place.url)
    signed_on(page, "r.singh")
    chooses_pin(page, place.url, PIN)
    page.get_by_role("button", name="Lock").click()
    elsewhere = chromium.new_context(ignore_https_errors=True)
    elsewhere.add_cookies(page.context.cookies())  # type: ignore[arg-type,unused-ignore]  # what it gave is what it takes
    thief = elsewhere.new_page()
    unlocked = len(place.events(type="session.unlocked"))
    for way in ("Unlock", "Unlock by signing on again"):
        thief.goto(f"{place.url}/unlock?next=/shift")
        thief.get_by_label("Your PIN").fill(PIN)
        thief.get_by_role("button", name=way, exact=True).click()
        expect(thief.get_by_role("alert")).to_contain_text("did not show that it is Ward 7 PC 4")
    pictured(thief, "locks-unproved")
    elsewhere.close()
    page.get_by_label("Your PIN").fill(PIN)
    page.get_by_role("button", name="Unlock", exact=True).click()
    page.wait_for_url(f"{place.url}/shift")
    assert len(place.events(type="session.unlocked")) == unlocked + 1
    page.get_by_role("button", name="Lock").click()
    page.evaluate("() => new Promise((done) => { indexedDB.deleteDatabase('lanyard').onsuccess = done; })")
    page.get_by_role("button", name="Unlock by signing on again").click()
    expect(page.get_by_role("alert")).to_contain_text("its key is gone")
    signed_on(page, "r.singh")
    page.wait_for_url(f"{place.url}/shift")
    assert place.events(type="session.seated")[-1]["device_id"] == ""
    assert len(place.events(type="session.unlocked")) == unlocked + 1


def test_one_desk_goes_from_hand_to_hand(place: Hospital, pas: Recorder, page: Page) -> None:
    """A to B to A: each comes back to their own page, nothing of the other is shown, and an old tab of A's submits nothing as B."""
    enrol(place, page, "Ward 7 PC 5")
    before = len(place.events(type="shift.started"))
    record = f"{place.system_url('pas')}/records"
    page.goto(place.url)
    signed_on(page, "n.okoye")
    opened(page, f"{record}/7")
    old = page.context.new_page()
    opened(old, f"{record}/8")
    page.goto(f"{place.url}/shift")
    page.get_by_role("button", name="Not you?").click()
    page.wait_for_url(f"{place.url}/sign-on")
    assert "Okoye" not in page.content()
    assert {c["name"] for c in page.context.cookies([place.url, record])} == {
        "__Host-lanyard-desk", "__Host-lanyard-anew"
    }  # fmt: skip
    signed_on(page, "dr.lee")
    page.wait_for_url(f"{place.url}/")
    opened(page, f"{record}/9")
    assert RECORD.format(user="lee") in page.content()
    written = len([seen for seen in pas.seen if seen.path == "/records/8/scan"])
    old.locator("[name=note]").fill("for A's patient")
    old.get_by_role("button", name="Save").click()
    expect(old.get_by_role("heading", name="Not sent: nothing was changed")).to_be_visible()
    assert len([seen for seen in pas.seen if seen.path == "/records/8/scan"]) == written
    for _ in range(4):
        page.go_back(wait_until="commit")
        settled(page)
        assert RECORD.format(user="okoye") not in page.content()
        assert "Okoye" not in page.content()
    page.goto(place.url)
    page.get_by_role("button", name="Not you?").click()
    page.wait_for_url(f"{place.url}/sign-on")
    signed_on(page, "n.okoye")
    page.wait_for_url(f"{place.url}/shift")
    opened(page, f"{record}/7")
    assert RECORD.format(user="okoye") in page.content()
    page.locator("[name=note]").fill("by A again")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"{record}/7/scan")
    assert [seen.content for seen in pas.seen if seen.path == "/records/7/scan"][-1:] == [b"note=by+A+again"]
    assert len(place.events(type="shift.started")) == before + 1, "Lee's, and no second one of Okoye's"
    assert [e["subject"] for e in place.events(type="session.switched")] == ["n.okoye", "dr.lee"]


def test_another_application_s_cookie_on_the_parent_domain_survives(place: Hospital, pas: Recorder, page: Page) -> None:
    """Neither a switch nor a sign-off takes what the intranet has set for the whole domain; the old system is not told of it."""
    theirs = {"name": "intranet", "value": "theirs", "domain": ".records.localhost", "path": "/", "secure": True}
    record = f"{place.system_url('pas')}/records/10"

    def there() -> list[str]:
        return [c["value"] for c in page.context.cookies([record]) if c["name"] == "intranet"]

    page.goto(place.url)
    signed_on(page, "dr.lee")
    page.wait_for_url(f"{place.url}/")
    page.context.add_cookies([theirs])  # type: ignore[list-item,unused-ignore]  # a dictionary of its shape
    opened(page, record)
    assert there() == ["theirs"]
    assert [seen.path for seen in pas.seen].count("/records/10") == 1
    assert not any("intranet" in line for seen in pas.seen for line in seen.header("cookie"))
    page.goto(place.url)
    page.get_by_role("button", name="Not you?").click()
    page.wait_for_url(f"{place.url}/sign-on")
    assert there() == ["theirs"]
    signed_on(page, "dr.lee")
    page.wait_for_url(f"{place.url}/**")
    page.goto(place.url)
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("signed-off|session/end"))
    assert there() == ["theirs"]
