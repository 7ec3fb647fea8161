"""The guard script in a real browser: in old pages with frames, in Django's admin, under a page's own policy, and without it."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from demo.hospital import Hospital as Demo
from demo.hospital import hospital as pretend_hospital
from demo.ports import free_port
from gateway.proxy.guarding import Splice
from tests.counterparts.django_admin import USERS as ADMINS
from tests.counterparts.django_admin import django_admin
from tests.gateway.proxy.test_guarding import PLACES, XML_PLACES

from .desk import passes
from .hospital import Hospital, hospital, system
from .recorder import Recorder, Seen, recorder, reply
from .screen import ARTEFACTS, until
from .ward import LOGIN, answers, old_system

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

IDLE = 75  # seconds: a warning after fifteen
BAR = "lanyard-guard"
NOTE = "<!doctype html><title>{title}</title><h1>RECORD-CANARY</h1><form method=post action=/ward/7/notes><textarea name=t></textarea>" \
       "<button>Save</button></form><script>document.title += '.'</script>"  # fmt: skip
POLICIES = {
    "/strict": "default-src 'none'; form-action 'self'",
    "/nonce": "script-src 'nonce-abc' 'strict-dynamic'; base-uri 'none'",
    "/sandbox": "sandbox allow-forms",
}
POLLING = "<!doctype html><title>poll</title><p>RECORD-CANARY<script>setInterval(() => fetch('/poll'), 300)</script>"


def pages(seen: Seen) -> bytes:
    """An old system with a page for each of the tests."""
    if seen.path in (LOGIN, "/"):
        return answers(seen)
    if seen.path in POLICIES:
        return reply(NOTE.format(title="strict").encode(), Content_Security_Policy=POLICIES[seen.path])
    if seen.path == "/polling":
        return reply(POLLING.encode())
    if seen.path == "/frames":
        return reply(b"<html><frameset cols='190,*'><frame src=/note name=a><frame src=/note name=b></frameset></html>")
    return reply(NOTE.format(title="note").encode())


@dataclass
class Place:
    hospital: Hospital
    upstream: Recorder
    complaints: list[str] = field(default_factory=list)

    @property
    def pas(self) -> str:
        return self.hospital.system_url("pas")

    def writes(self) -> int:
        return len([seen for seen in self.upstream.seen if seen.method == "POST" and seen.path != LOGIN])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("guard")
    polls = {"id": "poll", "path": "/poll", "background": True}
    options = old_system(location=LOGIN)
    options["routes"] = [*options["routes"], polls]
    people = {"n.okoye": ("okoye", "a"), "dr.lee": ("lee", "b")}
    with recorder(pages) as upstream, django_admin(tmp_path_factory.mktemp("django")) as admin:
        form = {
            "login_page": "/admin/login/", "username_field": "username", "password_field": "password",
            "success": {"status": 302}, "failure": {"text": "errornote"},
            "logged_off": {"status": 302, "location": "/admin/login/"}, "browser_cookies": ["csrftoken"],
        }  # fmt: skip
        systems = [
            system("pas", "webform", upstream.origin, options=options),
            system("bare", "webform", upstream.origin, options=options, guard="off: a test of what then holds"),
            system("admin", "webform", admin.origin, options=form),
        ]
        credentials = {name: people for name in ("pas", "bare")}
        credentials["admin"] = {"n.okoye": ("okoye", ADMINS["okoye"]), "dr.lee": ("lee", ADMINS["lee"])}
        idle = {"idle": dict.fromkeys(("shared", "issued", "personal", "unknown"), f"{IDLE}s")}
        with hospital(folder, systems, credentials=credentials, shift=idle) as running:
            yield Place(running, upstream)


@pytest.fixture
def window(chromium: Browser, place: Place) -> Iterator[BrowserContext]:
    """Signed on; whatever a page complains about is remembered."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    place.complaints.clear()
    context.on(
        "console",
        lambda said: place.complaints.append(f"{said.text} {said.location['url']}") if said.type == "error" else None,
    )
    context.on("weberror", lambda error: place.complaints.append(str(error.error)))
    sign_on(place, context.new_page(), "n.okoye")
    yield context
    context.close()


def sign_on(place: Place, page: Page, login: str) -> None:
    page.goto(f"{place.hospital.url}/sign-on/start")
    passes(page, login)
    page.wait_for_url(f"{place.hospital.url}/")


def sign_off(place: Place, page: Page) -> None:
    page.goto(place.hospital.url)
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(re.compile("/signed-off|session/end"))


def opened(window: BrowserContext, url: str) -> Page:
    page = window.new_page()
    page.goto(url)
    until(page, "!!self.lanyardGuard && lanyardGuard.covered === false")
    return page


def covered(page: Page, within: float = 20.0) -> None:
    """The record is not to be seen, not to be heard, and not to be reached."""
    until(page, "lanyardGuard.covered === true", within)
    until(
        page, "document.body.inert && getComputedStyle(document.body).opacity === '0' && document.title === 'Lanyard'"
    )


def seen(page: Page) -> str:
    """What assistive technology is told of the page and its frames, by the browser itself."""
    browser = page.context.new_cdp_session(page)
    tree = browser.send("Page.getFrameTree")["frameTree"]
    frames = [tree, *tree.get("childFrames", [])]
    nodes = [
        n for f in frames for n in browser.send("Accessibility.getFullAXTree", {"frameId": f["frame"]["id"]})["nodes"]
    ]
    browser.detach()
    return "\n".join(str(n.get("name", {}).get("value")) for n in nodes if not n["ignored"])


def pictures(page: Page, name: str) -> None:
    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 600})
        page.wait_for_timeout(150)
        page.screenshot(path=ARTEFACTS / f"{name}-{width}.png")


def quiet(place: Place) -> list[str]:
    return [text for text in place.complaints if "favicon.ico" not in text]


@pytest.mark.parametrize("path", ["/note", "/frames", "/strict", "/nonce"])
def test_the_bar_is_there_and_nothing_breaks(place: Place, window: BrowserContext, path: str) -> None:
    """Who is signed on, and a way out for who is not, also in framesets and under strict policies; once in a window."""
    page = opened(window, place.pas + path)
    assert all(frame.evaluate("!!self.lanyardGuard && self.lanyardGuard === top.lanyardGuard") for frame in page.frames)
    assert [frame.locator(BAR).count() for frame in page.frames] == [1] + [0] * (len(page.frames) - 1)
    pictures(page, f"guard{path.replace('/', '-')}")
    told = seen(page)
    assert "N Okoye" in told
    assert "Not you?" in told
    allowed = ["Executing inline script"] if path in POLICIES else []  # the page's own, as without us
    assert [text for text in quiet(place) if not any(word in text for word in allowed)] == []


OVER = """() => {
    const bar = document.querySelector('lanyard-guard').shadowRoot.querySelector('aside').getBoundingClientRect();
    return [...document.querySelectorAll('a,button,input,select,textarea')].filter(one => {
        const at = one.getBoundingClientRect();
        return one.checkVisibility() && at.left < bar.right - 2 && at.right > bar.left + 2
            && at.top < bar.bottom - 2 && at.bottom > bar.top + 2;
    }).map(one => one.outerHTML);
}"""


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_the_bar_lies_over_no_control(place: Place, window: BrowserContext, width: int) -> None:
    """At rest, after a scroll and on a phone, in a page full of controls."""
    page = opened(window, f"{place.hospital.system_url('admin')}/admin/auth/group/add/")
    page.set_viewport_size({"width": width, "height": 700})
    for down in (0, 150, 5000):
        page.evaluate(f"scrollTo(0, {down})")
        page.wait_for_timeout(300)
        assert page.evaluate(OVER) == []


def test_a_way_out_is_reached_by_keyboard(place: Place, window: BrowserContext) -> None:
    """It opens the main host beside the page, which stays where it is."""
    page = opened(window, f"{place.pas}/note")
    page.keyboard.press("Tab")
    with window.expect_page() as beside:
        page.keyboard.press("Enter")
    assert beside.value.url == f"{place.hospital.url}/"


def test_djangos_admin_is_used_with_the_script_in_it(place: Place, window: BrowserContext) -> None:
    """A real application with scripts and forms of its own: something is saved, and nobody complains."""
    page = opened(window, f"{place.hospital.system_url('admin')}/admin/auth/group/add/")
    pictures(page, "guard-django")
    name = f"ward-{time.monotonic_ns()}"
    page.locator("[name=name]").fill(name)
    page.locator("[name=_save]").click()
    expect(page.locator(".success")).to_contain_text("was added successfully")
    until(page, "!!self.lanyardGuard && lanyardGuard.covered === false")
    assert "N Okoye" in seen(page)
    assert quiet(place) == []


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with pretend_hospital(free_port()) as running:
        yield running


def test_the_old_pas_is_used_with_the_script_in_it(demo: Demo, chromium: Browser) -> None:
    """Framesets, forms that are sent into other frames, Windows-1252: a note with an umlaut arrives whole, and nobody complains."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page, complaints = context.new_page(), []
    page.goto(demo.url)
    page.get_by_role("button", name="Sign on").click()
    page.get_by_role("button", name="Ngozi Okoye").click()
    page.wait_for_url(f"{demo.url}/")
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(demo.url.replace("://", "://pas.") + "/pas/main")
    until(page, "lanyardGuard.covered === false")
    content, menu = page.frame(name="content"), page.frame(name="menu")
    assert content is not None
    assert menu is not None
    content.get_by_role("button", name="Select").first.click()
    expect(content.locator(".banner")).to_contain_text("Hosp No")
    menu.get_by_role("button", name="Notes").click()
    content.locator("textarea").fill("Hélène, Zürich – ½ tablet")
    content.get_by_role("button", name="Save note").click()
    expect(content.locator("body")).to_contain_text("Hélène, Zürich – ½ tablet")
    assert [frame.locator(BAR).count() for frame in page.frames] == [1, 0, 0]
    assert "Ngozi Okoye" in seen(page)
    pictures(page, "guard-pas")
    page.set_viewport_size({"width": 320, "height": 600})
    page.wait_for_timeout(200)
    assert [text for text in complaints if "404" not in text] == []
    context.close()


def test_browsers_run_the_script_wherever_it_was_put(chromium: Browser) -> None:
    """Each page in which a place was found runs it once, by the browser's own parser."""
    page = chromium.new_page()
    served = {"kind": "", "body": b""}
    page.route("http://page.test/", lambda route: route.fulfill(content_type=served["kind"], body=served["body"]))
    for xml, examples in ((False, PLACES), (True, XML_PLACES)):
        for example in examples:
            splice = Splice(b"<script>self.ran = (self.ran || 0) + 1</script>", xml=xml)
            whole = example.replace("|", "").encode("latin-1")
            if xml:  # elsewhere nothing is a script
                whole = whole.replace(b"<html>", b'<html xmlns="http://www.w3.org/1999/xhtml">')
            kind = "application/xhtml+xml" if xml else "text/html; charset=windows-1252"
            served |= {"kind": kind, "body": splice.feed(whole) + splice.end()}
            page.goto("http://page.test/")
            ran = page.evaluate("self.ran || 0")
            well_formed = not xml or "parsererror" not in page.content()
            assert not well_formed or ran == splice.placed, example
    page.close()


def test_a_sign_off_covers_the_pages_in_other_tabs(place: Place, window: BrowserContext) -> None:
    """As soon as one page of the origin knows, all do, within a second: nothing is read, typed or sent there any more."""
    first, second, frames = (opened(window, place.pas + path) for path in ("/note", "/note", "/frames"))
    first.locator("textarea").fill("half a sentence")
    before = place.writes()
    sign_off(place, window.new_page())
    first.bring_to_front()
    first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    covered(first)
    for page in (second, frames):
        covered(page, 1.0)
    told = seen(first)
    assert "RECORD-CANARY" not in told
    assert "You are signed off here" in told
    assert "Sign on" in told
    assert "RECORD-CANARY" not in seen(frames)
    tries_to_send(first)
    tries_to_send(frames.frames[1])
    first.wait_for_timeout(300)
    assert place.writes() == before
    assert first.url == f"{place.pas}/note"
    pictures(first, "guard-signed-off")
    pictures(frames, "guard-signed-off-frames")


def test_a_locked_page_is_there_again_after_the_unlock(place: Place, window: BrowserContext) -> None:
    """Over a dialog of the page's own too; Escape opens nothing, and the unlock is in a window before the page, that goes by itself."""
    page = opened(window, f"{place.pas}/note")
    page.locator("textarea").fill("half a sentence")
    page.evaluate("""() => {
        const own = document.body.appendChild(document.createElement('dialog'));
        own.innerHTML = '<p>DIALOG-CANARY<input>';
        own.showModal();
    }""")
    other = window.new_page()
    other.goto(place.hospital.url)
    other.get_by_role("button", name="Lock").click()
    other.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    covered(page)
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.localName") == BAR
    for _ in range(3):
        page.keyboard.press("Escape")
    page.keyboard.type("typed blindly")
    told = seen(page)
    assert "CANARY" not in told
    assert "This screen is locked. What you typed is kept." in told
    pictures(page, "guard-locked")
    with window.expect_page() as beside:
        page.get_by_role("link", name="Unlock").click()
    before = beside.value
    assert before.url == f"{place.hospital.url}/unlock?next=/go-on"
    before.get_by_role("button", name="Unlock by signing on again").click()
    with before.expect_event("close"):
        passes(before, "n.okoye")
    until(page, "lanyardGuard.covered === false")
    assert page.locator("textarea").input_value() == "half a sentence"
    assert page.locator("dialog input").input_value() == ""
    assert "DIALOG-CANARY" in seen(page)


def test_what_is_typed_and_not_sent_asks_the_shift_to_wait(place: Place, window: BrowserContext) -> None:
    """In its last minute, once for each time that the state is asked for; a page on which nothing is typed does not."""
    page = opened(window, f"{place.pas}/note")
    said = page.evaluate("fetch('/.lanyard/state').then(said => said.json())") | {"ends_in": 50}
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        route.fulfill(json=said | ({"ends_in": 110} if "writing" in asked[-1] else {}))

    page.route(re.compile("/.lanyard/(state|active)"), answer)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(page, "document.querySelector('lanyard-guard').shadowRoot.querySelector('aside').className === 'soon'")
    assert asked == ["state"]
    page.locator("textarea").press_sequentially("h")
    until(page, "document.querySelector('lanyard-guard').shadowRoot.querySelector('aside').className === ''")
    assert asked == ["state", "active", "active?writing"]


def test_a_page_that_stays_in_sight_asks_by_itself(place: Place, window: BrowserContext) -> None:
    """Beside another window nothing tells it of a sign-off elsewhere: it is covered at its next question, within 30 seconds."""
    page = window.new_page()
    page.clock.install()
    page.goto(f"{place.pas}/note")
    until(page, "lanyardGuard.covered === false")
    sign_off(place, window.new_page())
    page.clock.fast_forward(31_000)
    covered(page)


def test_a_gateway_that_does_not_answer_covers_when_the_time_is_over(place: Place, window: BrowserContext) -> None:
    """A moment without a network takes nobody's page; whether the session still lives after its time cannot be known."""
    page = window.new_page()
    page.clock.install()
    page.goto(f"{place.pas}/note")
    until(page, "lanyardGuard.covered === false")
    page.route("**/.lanyard/**", lambda route: route.abort())
    page.clock.fast_forward(31_000)
    page.wait_for_timeout(300)
    assert not page.evaluate("lanyardGuard.covered")
    page.clock.fast_forward(IDLE * 1000)
    covered(page)
    assert "does not answer" in seen(page)
    page.unroute("**/.lanyard/**")
    page.clock.fast_forward(6_000)
    until(page, "lanyardGuard.covered === false")


def tries_to_send(page) -> None:  # type: ignore[no-untyped-def]  # a page or a frame
    """By click, by script, by key."""
    page.evaluate("document.querySelector('button').click()")
    page.evaluate("document.forms[0].requestSubmit()")
    page.evaluate("document.forms[0].submit()")
    page.evaluate("location.href = '/ward/7/list'")


def test_a_page_of_somebody_else_s_session_cannot_be_sent(place: Place, window: BrowserContext) -> None:
    """The next person signs on over the first: the first one's page is covered, for good, and its text goes nowhere."""
    page = opened(window, f"{place.pas}/note")
    page.locator("textarea").fill("for the first person's patient")
    other = window.new_page()
    window.clear_cookies(domain=re.compile("127.0.0.1"))
    sign_on(place, other, "dr.lee")
    other.goto(f"{place.pas}/note")
    covered(page, 1.0)
    assert "Somebody has signed on here since" in seen(page)
    before = place.writes()
    tries_to_send(page)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)
    covered(page)
    assert place.writes() == before
    assert "Lee" in seen(other)
    assert "Okoye" not in seen(other)


def test_what_was_typed_is_there_again_after_the_same_session_is_back(place: Place, window: BrowserContext) -> None:
    """The cookie is away for a moment, as behind a lock: the page is covered, and then as it was."""
    page = opened(window, f"{place.pas}/note")
    page.locator("textarea").fill("half a sentence")
    kept = window.cookies(place.pas)
    window.clear_cookies(name="__Host-lanyard", domain=re.compile("^pas"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    covered(page)
    window.add_cookies([cookie for cookie in kept if cookie["name"] == "__Host-lanyard"])  # type: ignore[arg-type]  # a cookie that was got may be set
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(page, "lanyardGuard.covered === false && !document.body.inert && document.title === 'note.'")
    assert page.locator("textarea").input_value() == "half a sentence"
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"{place.pas}/ward/7/notes")


def test_typing_keeps_the_session_alive_and_polling_does_not(place: Place, window: BrowserContext) -> None:
    """A page that asks by itself runs out as if nobody were there; a key pressed in a page begins the time again."""
    page = opened(window, f"{place.pas}/polling")
    left = remaining(page)
    page.wait_for_timeout(2500)
    assert [seen.path for seen in place.upstream.seen].count("/poll") > 3
    assert remaining(page) < left
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert remaining(page) >= left


def remaining(page: Page) -> int:
    return int(page.evaluate("fetch('/.lanyard/state').then(said => said.json()).then(said => said.locks_in)"))


def test_a_lock_is_said_a_minute_before_and_put_off_in_place(place: Place, window: BrowserContext) -> None:
    """The page stays as it is; one press, by mouse or keyboard, goes on."""
    page = opened(window, f"{place.pas}/note")
    expect(page.locator(BAR).get_by_role("alert")).to_have_text("This screen locks in a minute.", timeout=25_000)
    pictures(page, "guard-warning")
    page.get_by_role("button", name="Stay signed on").click()
    expect(page.locator(BAR).get_by_role("alert")).to_have_text("")
    assert remaining(page) > 60


def test_a_page_out_of_the_browser_s_memory_shows_nothing(place: Place, window: BrowserContext) -> None:
    """It comes back covered, and stays so where nobody is signed on (BR-237)."""
    page = opened(window, f"{place.pas}/note")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    covered(page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    until(page, "lanyardGuard.covered === false")
    sign_off(place, page)
    for _ in range(4):
        page.go_back(wait_until="commit")
        page.wait_for_timeout(300)
        assert "RECORD-CANARY" not in seen(page)


def test_a_system_that_opted_out_has_its_pages_as_they_are(place: Place, window: BrowserContext) -> None:
    """What then holds: the server refuses the next look after a sign-off, and nothing covers what is on the screen."""
    page = window.new_page()
    page.goto(f"{place.hospital.system_url('bare')}/note")
    assert page.content().count("guard.js") == 0
    sign_off(place, window.new_page())
    assert "RECORD-CANARY" in seen(page)
    before = place.writes()
    page.get_by_role("button", name="Save").click()
    page.wait_for_load_state()
    assert place.writes() == before
    page.reload()
    assert "RECORD-CANARY" not in seen(page)


def test_a_sandboxed_page_is_left_alone(place: Place, window: BrowserContext) -> None:
    """A page that forbids every script keeps that, and is counted."""
    page = window.new_page()
    page.goto(f"{place.pas}/sandbox")
    assert "guard.js" not in page.content()
    assert "RECORD-CANARY" in seen(page)
    with urllib.request.urlopen(f"http://127.0.0.1:{place.hospital.ops_port}/metrics", timeout=5) as answer:
        assert b'lanyard_unguarded_pages_total{system="pas",why="sandboxed"}' in answer.read()


def test_the_script_is_served_small(place: Place, window: BrowserContext) -> None:
    """`guard.bytes`: what a browser takes over the wire."""
    page = window.new_page()
    with page.expect_response(re.compile("guard.js")) as got:
        page.goto(f"{place.pas}/note")
    assert got.value.request.sizes()["responseBodySize"] <= 4096
