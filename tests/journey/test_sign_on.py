"""Sign-on by the certified provider through the running gateway, and every way of coming back from it that is no sign-on."""

from __future__ import annotations

import contextlib
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator

import pytest

from .browser import Browser
from .hospital import Hospital, hospital, system
from .sign_on import answered, begun, callback_of, changed, fields, signed_on
from .viewer import Viewer, viewer

pytestmark = pytest.mark.counterpart

PWD, MFA = "urn:acr:pwd", "urn:acr:mfa"
COOKIE = "__Host-lanyard"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, Viewer]]:
    with viewer() as shown:
        systems = [system("viewer", "fhir", shown.origin, options={"pages": "/viewer/"}, start="/viewer/")]
        with hospital(tmp_path_factory.mktemp("on"), systems, sso={"step_up_acr_values": [MFA]}) as running:
            yield running, shown


@pytest.fixture
def place(ward: tuple[Hospital, Viewer]) -> Hospital:
    return ward[0]


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


def cookie(place: Hospital, browser: Browser) -> str:
    return browser.cookies[place.url.partition("://")[2]].get(COOKIE, "")


def refused(place: Hospital) -> str:
    """Why the latest sign-on failed, as the journal has it."""
    return place.events(type="login.failed")[-1]["reason"]


# On


def test_one_sign_on_opens_every_system(ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser]) -> None:
    """One form at the provider; the system's page comes without another, and the system never sees a cookie of ours."""
    place, shown = ward
    browser = browsers()
    page = place.sign_on(browser, "n.okoye")
    assert page.url == f"{place.url}/"
    assert "N Okoye" in page.text
    opened = browser.get(f"{place.system_url('viewer')}/viewer/", came_from=page.url)
    assert opened.status == 200
    assert "The viewer's page" in opened.text
    assert not any(url.startswith(place.issuer) for url in opened.trail)
    assert shown.asked
    assert all("lanyard" not in headers.get("cookie", "") for _, headers in shown.asked)


def test_a_second_device_joins_the_shift_and_both_survive_a_kill(
    place: Hospital, browsers: Callable[[], Browser]
) -> None:
    """A sign-on with equal role joins the live shift; after kill -9 both are still signed on, and a third joins too."""
    phone, desktop, later = browsers(), browsers(), browsers()
    place.sign_on(phone, "dr.lee")
    place.sign_on(desktop, "dr.lee")
    place.stop(signal.SIGKILL)
    place.start()
    for browser in (phone, desktop):
        page = browser.get(f"{place.url}/")
        assert (page.status, len(page.trail)) == (200, 1)
        assert "Lee Adler" in page.text
    place.sign_on(later, "dr.lee")
    started = [e for e in place.events(type="shift.started") if e["subject"] == "dr.lee"]
    seated = [e for e in place.events(type="session.seated") if e["subject"] == "dr.lee"]
    assert len(started) == 1
    assert len(seated) == 3
    assert {e["shift"] for e in seated} == {started[0]["shift"]}


def test_a_fresh_proof_is_asked_of_the_provider_and_the_session_goes_on(
    place: Hospital, browsers: Callable[[], Browser]
) -> None:
    """By a fresh form, as strong as before; the same session under another cookie, and the one from before is worth nothing."""
    browser, thief = browsers(), browsers()
    place.sign_on(browser, "r.singh", otp="")
    thief.cookies = {host: dict(jar) for host, jar in browser.cookies.items()}
    request = begun(place, browser, "?proof=fresh&next=/shift")
    assert "acr_values" not in fields(request)
    page = browser.get(answered(place, browser, request, "r.singh", otp=""))
    assert page.url == f"{place.url}/shift"
    logins = [e for e in place.events(type="login.ok") if e["subject"] == "r.singh"]
    assert [e["acr"] for e in logins] == [PWD, PWD]
    assert len({e["session"] for e in logins}) == 1
    assert not signed_on(place, thief)


def test_proof_that_is_not_as_strong_as_asked_is_refused(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """A shift of two factors is not made fresh by a password alone: told so, and nothing has changed."""
    browser = browsers()
    place.sign_on(browser, "r.singh")
    before = cookie(place, browser)
    page = browser.get(answered(place, browser, begun(place, browser, "?proof=fresh"), "r.singh", otp=""))
    assert page.status == 403
    assert "not as strong" in page.text
    assert refused(place) == "assurance"
    assert cookie(place, browser) == before
    assert signed_on(place, browser)


ASKED_AGAIN: dict[str, tuple[int, bool]] = {
    "just now": (0, True),
    "as clocks differ": (45, True),
    "before": (120, False),
}


@pytest.mark.parametrize("proved", ASKED_AGAIN)
def test_a_proof_is_from_after_it_was_asked_for_or_refused(
    place: Hospital, browsers: Callable[[], Browser], proved: str
) -> None:
    """The provider answers `prompt=login` by what it knows from elsewhere: an old proof changes nothing here."""
    browser = browsers()
    place.sign_on(browser, "p.watt")
    before = cookie(place, browser)
    request = begun(place, browser, "?proof=fresh")
    assert fields(request)["prompt"] == "login"
    assert "max_age" not in fields(request)
    ago, good = ASKED_AGAIN[proved]
    page = browser.get(answered(place, browser, request, "p.watt", proved_ago=ago))
    assert page.status == (200 if good else 403)
    assert (cookie(place, browser) == before) is not good
    assert signed_on(place, browser)
    if not good:
        assert refused(place) == "proof-old"


def test_whoever_takes_the_question_out_of_the_address_is_not_the_person_before(
    place: Hospital, browsers: Callable[[], Browser]
) -> None:
    """After a sign-off at a shared PC: without `prompt=login` on the way the provider answers for whoever it knows, in vain."""
    browser, elsewhere = browsers(), browsers()
    place.sign_on(elsewhere, "p.watt")
    page = browser.get(answered(place, browser, begun(place, browser), "p.watt", proved_ago=3600))
    assert "P Watt" in page.text, "a first sign-on asks for no new proof"
    browser.submit(page, form="/sign-off")
    request = begun(place, browser)
    assert fields(request)["prompt"] == "login"
    page = browser.get(changed(request, prompt=None))
    assert page.url.startswith(f"{place.url}/sign-on/callback?")
    assert (page.status, refused(place)) == (403, "proof-old")
    assert "P Watt" not in page.text
    assert not signed_on(place, browser)
    assert fields(begun(place, browser))["prompt"] == "login", "and the next try is asked again"


def test_a_person_without_a_role_here_gets_no_session(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """The provider knows them, we have nothing for them: no cookie, a page that says so, one entry in the journal."""
    browser = browsers()
    page = place.sign_on(browser, "x.guest")
    assert page.status == 403
    assert cookie(place, browser) == ""
    assert refused(place) == "role"


# Back from the provider in a way that is no sign-on

NOT_A_SIGN_ON: dict[str, tuple[dict[str, str | None], str]] = {
    "no state": ({"state": None}, "state"),
    "HTTP-188": ({"state": '{"next":"//evil.test","s":"x"}'}, "state"),
    "no code": ({"code": None}, "state"),
    "another provider": ({"iss": "https://evil.test"}, "iss"),
    "no word of the provider": ({"iss": None}, "iss"),
    "OIDC-083": ({"code": None, "error": "access_denied", "error_description": "<script>evil.test"}, "denied"),
}


@pytest.mark.parametrize("case", NOT_A_SIGN_ON)
def test_an_answer_that_was_changed_signs_nobody_on(
    place: Hospital, browsers: Callable[[], Browser], case: str
) -> None:
    """A page of ours that repeats nothing of it, no cookie, and the reason in the journal."""
    browser = browsers()
    changes, reason = NOT_A_SIGN_ON[case]
    page = browser.get(changed(callback_of(place, browser, "n.okoye"), **changes))
    assert page.status == 403
    assert page.url.startswith(f"{place.url}/sign-on/callback?")
    assert "evil.test" not in page.text
    assert "<script>" not in page.text
    assert cookie(place, browser) == ""
    assert refused(place) == reason


def test_a_sign_on_begun_in_another_browser_signs_nobody_on(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """Whoever is lured to somebody else's callback does not become that person; and the address is burned."""
    attacker, victim = browsers(), browsers()
    address = callback_of(place, attacker, "dr.lee")
    victim.get(f"{place.url}/sign-on")
    page = victim.get(address, came_from="https://evil.test/")
    assert (page.status, refused(place)) == (403, "state-binding")
    assert not signed_on(place, victim)
    assert attacker.get(address).status == 403
    assert not signed_on(place, attacker)


def test_a_code_of_another_sign_on_is_worth_nothing(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """PKCE binds the code to the sign-on that asked for it: put into the victim's own callback, it signs nobody on."""
    attacker, victim = browsers(), browsers()
    code = fields(callback_of(place, attacker, "dr.lee"))["code"]
    page = victim.get(changed(callback_of(place, victim, "n.okoye"), code=code))
    assert (page.status, refused(place)) == (403, "token")
    assert cookie(place, victim) == ""


def test_a_callback_is_good_once(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """Sent again it is refused, and whom it signed on stays signed on."""
    browser = browsers()
    address = callback_of(place, browser, "n.okoye")
    assert browser.get(address).url == f"{place.url}/"
    again = browser.get(address)
    assert (again.status, refused(place)) == (403, "state")
    assert signed_on(place, browser)


@pytest.mark.parametrize(
    ("method", "headers"),
    [("HEAD", {}), ("GET", {"sec-purpose": "prefetch"}), ("GET", {"sec-purpose": "prefetch;prerender"}), ("POST", {})],
    ids=["OIDC-082", "OIDC-082b", "OIDC-082c", "OIDC-081"],
)
def test_only_a_visit_finishes_a_sign_on(
    place: Hospital, browsers: Callable[[], Browser], method: str, headers: dict[str, str]
) -> None:
    """A link checker, a browser that looks ahead, or a form does not use the answer up: the visit after it counts."""
    browser = browsers()
    address = callback_of(place, browser, "n.okoye")
    ahead = browser.once(method, address, came_from=f"{place.issuer}/", headers=headers)
    assert ahead.status_code == 405
    assert cookie(place, browser) == ""
    assert browser.get(address).url == f"{place.url}/"
    assert signed_on(place, browser)


def test_where_the_provider_answers_to_is_configured(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """OIDC-085: another Host gets no sign-on at all, and what a proxy says of it does not count."""
    browser = browsers()
    other = browser.once("GET", f"{place.url}/sign-on/start", headers={"host": "evil.test"})
    assert other.status_code == 421
    assert "location" not in other.headers
    forwarded = {"x-forwarded-host": "evil.test", "x-forwarded-proto": "https", "forwarded": "host=evil.test"}
    start = browser.once("GET", f"{place.url}/sign-on/start", headers=forwarded)
    assert fields(start.headers["location"])["redirect_uri"] == f"{place.url}/sign-on/callback"


@pytest.mark.parametrize("path", ["/sign-on/start", "/sign-on"])
def test_a_third_party_cannot_say_where_a_sign_on_leads(
    place: Hospital, browsers: Callable[[], Browser], path: str
) -> None:
    """OIDC-086: another issuer and a target to go to are not listened to."""
    browser = browsers()
    query = "iss=https://evil.test&target_link_uri=https://google.test%5C.records.localhost&login_hint=x"
    page = browser.get(f"{place.url}{path}?{query}", came_from="https://evil.test/")
    if path == "/sign-on":
        page = browser.submit(page)
    assert page.url.startswith(f"{place.issuer}/interaction/")
    page = browser.submit(page, login="n.okoye", password="battery staple")
    assert page.url == f"{place.url}/"


def test_a_store_that_cannot_say_whether_it_is_a_replay_signs_nobody_on(
    place: Hospital, browsers: Callable[[], Browser]
) -> None:
    """OIDC-012: 503 while the database is held by somebody else; afterwards the same answer is still good, once."""
    browser = browsers()
    address = callback_of(place, browser, "n.okoye")
    database = next((place.folder / "data").glob("*.db"))
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        page = browser.get(address)
        held.execute("ROLLBACK")
    assert page.status == 503
    assert "Your session could not be read" in page.text
    assert cookie(place, browser) == ""
    assert browser.get(address).url == f"{place.url}/"
    assert browser.get(address).status == 403


# Fixation


def test_a_cookie_planted_before_sign_on_opens_nothing(place: Hospital, browsers: Callable[[], Browser]) -> None:
    """OIDC-087: a made-up value, or the attacker's own session, is replaced; the attacker sees nothing of the victim's."""
    attacker, victim = browsers(), browsers()
    place.sign_on(attacker, "r.singh")
    host = place.url.partition("://")[2]
    planted = cookie(place, attacker)
    victim.cookies[host] = {COOKIE: planted}
    page = victim.get(callback_of(place, victim, "dr.lee"))
    assert "Lee Adler" in page.text
    assert cookie(place, victim) != planted
    assert not signed_on(place, attacker)


def test_the_next_person_in_a_browser_takes_nothing_over(
    ward: tuple[Hospital, Viewer], browsers: Callable[[], Browser]
) -> None:
    """OIDC-088: at every host the first one's cookies are dead, and the journal says that the user switched."""
    place, shown = ward
    browser, old = browsers(), browsers()
    viewer_page = f"{place.system_url('viewer')}/viewer/next"
    place.sign_on(browser, "n.okoye")
    assert browser.get(viewer_page).status == 200
    old.cookies = {host: dict(jar) for host, jar in browser.cookies.items()}
    browser.cookies.pop(place.issuer.partition("://")[2])  # the first one signed off at the provider
    page = browser.get(callback_of(place, browser, "dr.lee"))
    assert "Lee Adler" in page.text
    assert place.events(type="session.revoked")[-1]["reason"] == "user-switch"
    seen = len(shown.asked)
    assert not signed_on(place, old)
    for one in (old, browser):
        assert one.once("GET", viewer_page).status_code == 303
    assert len(shown.asked) == seen
    assert re.search("Lee Adler", browser.get(f"{place.url}/").text)
