"""A note that takes nine minutes, in a real browser: with the guard script and without it, on a device that proves itself each time."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .certificate import certificate
from .hospital import Hospital, hospital, system
from .recorder import Recorder, Seen, recorder, reply
from .screen import until
from .test_devices import enrol, listening
from .test_locks import signed_on
from .ward import LOGIN, answers, old_system

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

SYSTEMS = {"guarded": "on", "alone": "off: its pages do without"}
POLICY = "default-src 'none'; script-src 'none'; frame-src 'none'"
FORM = (
    "<!doctype html><title>Notes</title><form method=post action=/records/7/scan>"
    "<textarea name=note></textarea><button>Save</button></form>"
)
MINUTE = 60
RENEWED = "!document.querySelector('lanyard-guard')?.shadowRoot.querySelector('iframe')"


@pytest.fixture(scope="module")
def notes() -> Iterator[Recorder]:
    def page(seen: Seen) -> bytes:
        if seen.path == "/records/7":
            return reply(FORM.encode(), Content_Security_Policy=POLICY)
        if seen.path == "/records/7/scan":
            return reply(b"<!doctype html><title>Saved</title><p>Saved.<a href=list>list</a>")
        return answers(seen)

    with recorder(page) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, notes: Recorder) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("renewal")
    (folder / "clock").write_text("0")
    log_on = {"n.okoye": ("okoye", "a")}
    systems = [
        system(name, "webform", notes.origin, options=old_system(location=LOGIN), guard=guard)
        for name, guard in SYSTEMS.items()
    ]
    # The provider's clock stays where it is: its tokens are of another time by then.
    ward = {"zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site", "idle": "30m"}]}
    with hospital(
        folder,
        systems,
        credentials=dict.fromkeys(SYSTEMS, log_on),
        tls=certificate(folder),
        started=False,
        sso={"recheck": "1h"},
    ) as running:
        running.config |= ward
        running.write()
        running.program = ("tests.journey.ward_pc", str(folder / "clock"))
        running.start()
        yield running


@pytest.fixture
def desk(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(ignore_https_errors=True)
    yield context
    context.close()


@pytest.fixture
def page(place: Hospital, desk: BrowserContext) -> Page:
    """Signed on at an enrolled PC, by the provider's own clock."""
    clock = place.folder / "clock"
    if clock.read_text() != "0":
        clock.write_text("0")
        place.stop(signal.SIGKILL)  # a clock that is set back is believed after a restart only
        place.start()
    opened = desk.new_page()
    enrol(place, opened)
    opened.goto(place.url)
    signed_on(opened, "n.okoye")
    expect(opened.get_by_role("heading", name="Your systems")).to_be_visible()
    return opened


def later(place: Hospital, page: Page) -> None:
    """A minute, for the gateway and for the page."""
    clock = place.folder / "clock"
    for _ in range(4):
        clock.write_text(str(int(clock.read_text()) + MINUTE // 4))
        page.clock.run_for(MINUTE // 4 * 1000)
        page.wait_for_timeout(100)  # what the page asks meanwhile takes its real time, and so does a frame
        until(page, RENEWED)


def written(place: Hospital, page: Page, at: str) -> str:
    """A note on a page of this system, word by word for nine minutes; what it says."""
    page.clock.install()
    page.goto(f"{place.system_url(at)}/records/7")
    words = [f"word-{minute}" for minute in range(9)]
    for word in words:
        page.get_by_role("textbox").press_sequentially(f"{word} ")
        later(place, page)
    return " ".join(words)


@pytest.mark.parametrize("at", SYSTEMS)
def test_a_nine_minute_note_is_sent_once(place: Hospital, notes: Recorder, page: Page, at: str) -> None:
    """Where it was meant for, whole, into the log-on that it was written in; nobody is asked anything."""
    complaints = listening(page)
    seated = len(place.events(type="session.seated"))
    notes.seen.clear()
    note = written(place, page, at)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"{place.system_url(at)}/records/7/scan")
    expect(page.get_by_text("Saved.")).to_be_visible()
    (sent,) = [seen for seen in notes.seen if seen.path == "/records/7/scan"]
    assert sent.content.decode() == "note=" + note.replace(" ", "+") + "+"
    assert len(place.events(type="session.seated")) == seated
    assert len([seen for seen in notes.seen if seen.path == LOGIN and seen.method == "POST"]) == 1
    held = [e for e in place.events(type="request.rejected", system=at) if "kept" in e]
    assert [e["reason"] for e in held] == ([] if at == "guarded" else ["renewal"])
    assert complaints == []


def test_every_cookie_of_the_desk_in_another_browser_opens_nothing_after_five_minutes(
    place: Hospital, chromium: Browser, desk: BrowserContext, page: Page
) -> None:
    """The desk goes on without a word; the other browser is told that it is not the device."""
    record = f"{place.system_url('alone')}/records/7"
    page.goto(record)
    expect(page.get_by_role("textbox")).to_be_visible()
    elsewhere = chromium.new_context(ignore_https_errors=True)
    elsewhere.add_cookies(desk.cookies())  # type: ignore[arg-type,unused-ignore]  # what it gave is what it takes
    thief = elsewhere.new_page()
    thief.goto(record)
    expect(thief.get_by_role("textbox")).to_be_visible()
    clock = place.folder / "clock"
    clock.write_text(str(int(clock.read_text()) + 6 * MINUTE))
    thief.goto(record)
    expect(thief.get_by_text("could not show that it is the one that was enrolled")).to_be_visible()
    page.reload()
    expect(page.get_by_role("textbox")).to_be_visible()
    page.go_back()  # the way by the main host has left nothing between
    expect(page.get_by_role("heading", name="Your systems")).to_be_visible()
    elsewhere.close()
