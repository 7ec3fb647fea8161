"""Without a session: what each kind of request gets, and where a browser ends that was offered an address to go to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlsplit

import pytest

from .browser import Browser, Page
from .hospital import Hospital, hospital, system
from .sign_on import callback_of, signed_on
from .viewer import Viewer, viewer

pytestmark = pytest.mark.counterpart

HTML, PROBLEM = "text/html; charset=utf-8", "application/problem+json"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, Viewer]]:
    with viewer() as shown:
        systems = [system("viewer", "fhir", shown.origin, options={"pages": "/viewer/"}, start="/viewer/")]
        with hospital(tmp_path_factory.mktemp("back"), systems) as running:
            yield running, shown


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


def at_the_system(place: Hospital, path: str = "/viewer/") -> str:
    return place.system_url("viewer") + path


def through_the_form(place: Hospital, browser: Browser, page: Page) -> Page:
    """From our sign-on page through the provider's, as a person would."""
    assert page.url.startswith(f"{place.url}/sign-on"), page.url
    return browser.submit(browser.submit(page), login="n.okoye", password="battery staple", otp="000000")


# What each kind of request gets

KINDS: dict[str, tuple[str, dict[str, str], int, str]] = {
    "a navigation": ("GET", {"sec-fetch-dest": "document"}, 303, ""),
    "a browser that does not say": ("GET", {"sec-fetch-dest": "", "accept": "text/html"}, 303, ""),
    "a program that does not say": ("GET", {"sec-fetch-dest": "", "accept": "*/*"}, 401, PROBLEM),
    "a frame": ("GET", {"sec-fetch-dest": "frame", "sec-fetch-mode": "navigate"}, 401, HTML),
    "an inner frame": ("GET", {"sec-fetch-dest": "iframe", "sec-fetch-mode": "navigate"}, 401, HTML),
    "a script": ("GET", {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors", "accept": "*/*"}, 401, PROBLEM),
    "a stream": ("GET", {"sec-fetch-dest": "empty", "accept": "text/event-stream"}, 401, PROBLEM),
    "a socket": ("GET", {"sec-fetch-dest": "websocket", "sec-fetch-mode": "websocket", "accept": "*/*"}, 401, PROBLEM),
    "an image": ("GET", {"sec-fetch-dest": "image", "accept": "image/*"}, 401, PROBLEM),
    "a script's write": ("POST", {"sec-fetch-dest": "empty", "accept": "application/json"}, 401, PROBLEM),
    "a form": ("POST", {"sec-fetch-dest": "document"}, 401, HTML),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dead", [False, True], ids=["no cookie", "a dead cookie"])
def test_without_a_session_each_kind_of_request_at_a_system_gets_what_it_can_use(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], kind: str, dead: bool
) -> None:
    """A navigation is sent on, a frame gets a page that leads out of it, a script a status; the system sees none of it."""
    place, shown = ward
    browser = browsers()
    if dead:
        browser.cookies[urlsplit(at_the_system(place)).netloc] = {"__Host-lanyard": "A" * 43}
    method, headers, status, type_ = KINDS[kind]
    seen = len(shown.asked)
    answer = browser.once(method, at_the_system(place), came_from=at_the_system(place), headers=headers)
    assert (answer.status_code, answer.headers.get("content-type", "")) == (status, type_)
    assert len(shown.asked) == seen
    if status == 303:
        assert answer.headers["location"].startswith(f"{place.url}/enter?ticket=")
    else:
        assert "location" not in answer.headers
    if "frame" in kind:
        assert f'href="{place.url}/" target="_top"' in answer.text
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    if type_ == PROBLEM:
        assert answer.json()["type"] == "urn:lanyard:no-session"


@pytest.mark.parametrize("path", ["/", "/shift"])
def test_without_a_session_our_own_pages_lead_to_sign_on(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], path: str
) -> None:
    """And from there back to the page that was asked for."""
    place, _ = ward
    browser = browsers()
    page = browser.get(f"{place.url}{path}")
    assert page.url == f"{place.url}/sign-on" + ("" if path == "/" else "?next=/shift")
    assert through_the_form(place, browser, page).url == f"{place.url}{path}"


# Addresses that are offered

OFFERED = {
    "HTTP-174": "/" + "a" * 5000,
    "HTTP-175": "",
    "HTTP-186": "/shift#https://evil.test/",
    "two slashes": "//evil.test/",
    "a backslash": "/\\evil.test/",
    "another site": "https://evil.test/",
    "a name like ours": "https://records.localhost.evil.test/",
    "a tab": "/\t/evil.test",
    "a script": "javascript:alert(1)",
    "sign-off": "/sign-off",
}


@pytest.mark.parametrize("case", OFFERED)
@pytest.mark.parametrize("begins", ["/sign-on", "/sign-on/start"])
def test_an_offered_address_that_is_not_plainly_ours_ends_at_the_launchpad(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], case: str, begins: str
) -> None:
    """Signed on all the same, and not one step of the way leads elsewhere."""
    place, _ = ward
    browser = browsers()
    query = f"?next={quote(OFFERED[case], safe='')}"
    if begins == "/sign-on":
        page = through_the_form(place, browser, browser.get(f"{place.url}/sign-on{query}"))
    else:
        page = browser.get(callback_of(place, browser, "n.okoye", query=query))
    assert (page.url, page.status) == (f"{place.url}/", 200)
    assert all(url.startswith((place.url, place.issuer)) for url in page.trail)


KEPT = {
    "HTTP-182": "/viewer/records/123?return=https%3A%2F%2Fother.test%2F",
    "HTTP-184": "/viewer/w%C3%A4rd/7",
    "HTTP-185": "/viewer/a;b=c",
    "a name with an apostrophe": "/viewer/O'Brien?q=a+b&q=%41",
}


@pytest.mark.parametrize("case", KEPT)
def test_a_page_of_a_system_is_reached_to_the_letter(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], case: str
) -> None:
    """By way of the sign-on, the provider and the one-time code; in no address between does it stand."""
    place, shown = ward
    browser = browsers()
    wanted = at_the_system(place, KEPT[case])
    asked = browser.get(wanted)
    page = through_the_form(place, browser, asked)
    assert page.url == wanted
    assert page.status == 200
    assert shown.targets[-1] == KEPT[case]
    between = [*asked.trail[1:], *page.trail[:-1]]
    assert not any(KEPT[case] in url or quote(KEPT[case], safe="") in url for url in between)


def test_a_place_within_a_page_is_not_lost_on_the_way(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser]
) -> None:
    """HTTP-186: no redirect names a fragment of its own, so the browser carries on with the one that was asked for."""
    place, _ = ward
    browser = browsers()
    place.sign_on(browser, "n.okoye")
    url, steps = at_the_system(place, "/viewer/ward/7/list"), 0
    while (answer := browser.once("GET", url)).status_code == 303:
        url, steps = answer.headers["location"], steps + 1
        assert "#" not in url
    assert (answer.status_code, steps) == (200, 3)
    assert url == at_the_system(place, "/viewer/ward/7/list")


def test_a_code_of_somebody_else_s_seats_nobody_in_their_session(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser]
) -> None:
    """Lured to the attacker's code, with an entry of one's own under way: it is burned, and leads to no page of theirs."""
    place, shown = ward
    attacker, victim = browsers(), browsers()
    place.sign_on(attacker, "dr.lee")
    place.sign_on(victim, "n.okoye")
    ticket = attacker.once("GET", at_the_system(place, "/viewer/theirs")).headers["location"]
    code = attacker.once("GET", ticket).headers["location"]
    own = victim.once("GET", at_the_system(place, "/viewer/mine")).headers["location"]
    answer = victim.once("GET", code, came_from="https://evil.test/")
    assert answer.headers["location"] == "/"
    assert "set-cookie" not in answer.headers
    assert attacker.once("GET", code).headers["location"] == "/"
    assert victim.get(own).url == at_the_system(place, "/viewer/mine")
    assert "/viewer/theirs" not in shown.targets
    assert {e["subject"] for e in place.events(type="access.intent", system="viewer")} == {"n.okoye"}


@pytest.mark.parametrize("value", ["//evil.test", "https://evil.test/", "x" * 500, ""])
def test_a_ticket_or_code_that_is_none_leads_to_a_page_of_ours(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], value: str
) -> None:
    """HTTP-188: what comes back is looked up, never gone to."""
    place, _ = ward
    browser = browsers()
    place.sign_on(browser, "n.okoye")
    said = quote(value, safe="")
    assert browser.get(f"{place.url}/enter?ticket={said}").url == f"{place.url}/"
    for stop, target in (("enter?code", "/"), ("sign-off?ticket", f"{place.url}/")):
        answer = browser.once("GET", at_the_system(place, f"/.lanyard/{stop}={said}"))
        assert (answer.status_code, answer.headers["location"]) == (303, target)
        assert "set-cookie" not in answer.headers
    assert signed_on(place, browser)


# Redirects of a system


INNER = {
    "its own address": "{origin}/viewer/ward/8?a=%41",
    "its own address without a scheme": "//{host}/viewer/ward/8?a=%41",
    "a path": "/viewer/ward/8?a=%41",
    "a relative path": "ward/8?a=%41",
}


@pytest.mark.parametrize("case", INNER)
def test_a_system_s_redirect_to_itself_leads_to_its_public_name(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser], case: str
) -> None:
    """HTTP-190: the browser ends at the page, under the name that it knows, and never learns the inner one."""
    place, shown = ward
    browser = browsers()
    place.sign_on(browser, "n.okoye")
    browser.get(at_the_system(place))
    shown.redirects["/viewer/old"] = INNER[case].format(origin=shown.origin, host=shown.origin.partition("//")[2])
    answer = browser.once("GET", at_the_system(place, "/viewer/old"))
    assert answer.status_code == 302
    assert shown.origin.partition("//")[2] not in f"{answer.headers}{answer.text}"
    page = browser.get(at_the_system(place, "/viewer/old"))
    assert page.url == at_the_system(place, "/viewer/ward/8?a=%41")
    assert shown.targets[-1] == "/viewer/ward/8?a=%41"


def test_a_cookie_of_the_browser_s_own_reaches_no_system(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser]
) -> None:
    """COOKIE-047: neither a session that a script made up for the system, nor ours."""
    place, shown = ward
    browser = browsers()
    place.sign_on(browser, "n.okoye")
    browser.get(at_the_system(place))
    browser.cookies[urlsplit(at_the_system(place)).netloc]["JSESSIONID"] = "attacker"
    assert browser.get(at_the_system(place, "/viewer/mine")).status == 200
    target, headers = shown.asked[-1]
    assert target == "/viewer/mine"
    assert "attacker" not in str(headers)
    assert "lanyard" not in headers.get("cookie", "")
