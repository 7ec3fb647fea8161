"""The end of a session and of a shift: by the clinician, by the provider, and by what the provider says when it is asked again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .balancer import Balancer, balancer
from .browser import Browser, Page
from .hospital import Hospital, hospital, system
from .sign_on import begun, callback_of, fields, signed_on
from .viewer import Viewer, viewer

pytestmark = pytest.mark.counterpart


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, Viewer, Balancer]]:
    with viewer() as shown, balancer() as front:
        registered = {
            "backchannel_logout_uri": f"{front.origin}/backchannel-logout",
            "backchannel_logout_session_required": True,
        }
        systems = [system("viewer", "fhir", shown.origin, options={"pages": "/viewer/"}, start="/viewer/")]
        with hospital(tmp_path_factory.mktemp("off"), systems, registered=registered) as running:
            front.public_url = running.url
            yield running, shown, front


@pytest.fixture
def place(ward: tuple[Hospital, Viewer, Balancer]) -> Hospital:
    return ward[0]


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


def at_work(place: Hospital, browser: Browser, login: str) -> Browser:
    """Signed on, and the viewer is open."""
    place.sign_on(browser, login)
    assert browser.get(f"{place.system_url('viewer')}/viewer/").status == 200
    return browser


def copy_of(browser: Browser, made: Browser) -> Browser:
    """Whoever has the cookies of this browser."""
    made.cookies = {host: dict(jar) for host, jar in browser.cookies.items()}
    return made


def cut_off(ward: tuple[Hospital, Viewer, Balancer], browser: Browser) -> bool:
    """Whether this browser gets nothing any more, at the main host and at the system's."""
    place, shown, _ = ward
    seen = len(shown.asked)
    there = browser.once("GET", f"{place.system_url('viewer')}/viewer/").status_code == 303
    return there and not signed_on(place, browser) and len(shown.asked) == seen


def confirmed(place: Hospital, browser: Browser, asks: Page) -> Page:
    """The provider asks whether its session is to end too: yes."""
    assert asks.url.startswith(f"{place.issuer}/session/end"), asks.url
    return browser.submit(asks, logout="yes")


def left_at_the_provider(place: Hospital, browser: Browser) -> None:
    """The provider's own log-out page, which no page of ours led to."""
    browser.submit(browser.get(f"{place.issuer}/session/end"), logout="yes")


def ends(place: Hospital, login: str) -> list[str]:
    return [e["reason"] for e in place.events(type="shift.ended") if e["subject"] == login]


# By the clinician


def test_sign_off_ends_here_at_the_system_and_at_the_provider(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """One click: the system's host, the provider, and our last page; nothing of it opens anything afterwards."""
    place, _, front = ward
    browser = at_work(place, browsers(), "n.okoye")
    thief = copy_of(browser, browsers())
    told = len(front.passed)
    asks = browser.submit(browser.get(f"{place.url}/"), form="/sign-off")
    assert asks.trail[1].startswith(f"{place.system_url('viewer')}/.lanyard/sign-off?")
    page = confirmed(place, browser, asks)
    assert page.url.startswith(f"{place.url}/signed-off?state=")
    assert "You are signed off" in page.text
    assert not any("__Host-lanyard" in jar for jar in browser.cookies.values())
    assert cut_off(ward, browser)
    assert cut_off(ward, thief)
    assert [status for _, status in front.passed[told:]] == [200], (
        "the provider told us too, and there was nothing left"
    )
    assert ends(place, "n.okoye") == ["signed-off"]
    again = browser.get(begun(place, browser))
    assert 'name="password"' in again.text, "the provider knows nobody any more"


def test_sign_off_everywhere_ends_every_device(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """From the shift's page: the other desk gets nothing more, and its next page is the sign-on page."""
    place = ward[0]
    here, there = (at_work(place, browsers(), "dr.lee") for _ in range(2))
    page = here.get(f"{place.url}/shift")
    index = next(i for i, form in enumerate(page.document().forms) if "everywhere" in form.fields)
    confirmed(place, here, here.submit(page, form=index))
    assert cut_off(ward, here)
    assert cut_off(ward, there)
    page = there.get(f"{place.system_url('viewer')}/viewer/")
    assert page.url.startswith(f"{place.url}/sign-on?next=")
    asked = there.submit(page)
    assert asked.url.startswith(place.issuer), "the next click there does not make anybody the person before"
    assert ends(place, "dr.lee") == ["signed-off"]


def test_whoever_signs_off_at_one_desk_is_not_signed_on_there_by_the_next_click(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """The shift goes on at the other desk, so the provider's session stays; the desk's next user must still say who they are."""
    place, _, front = ward
    there, here = (at_work(place, browsers(), "r.singh") for _ in range(2))
    told = len(front.passed)
    page = here.submit(here.get(f"{place.url}/"), form="/sign-off")
    assert page.url == f"{place.url}/signed-off"
    assert cut_off(ward, here)
    assert signed_on(place, there)
    asked = here.submit(here.get(f"{place.url}/sign-on"))
    assert asked.url.startswith(place.issuer), asked.url
    switching = here.submit(asked, login="n.okoye", password="battery staple", otp="000000")
    page = here.submit(switching)  # the provider ends the session of the person before by a form that sends itself
    assert page.url == f"{place.url}/", page.text
    assert "N Okoye" in page.text
    assert fields(begun(place, here)).get("prompt") is None, "it was for the next sign-on only"
    assert [status for _, status in front.passed[told:]] == [200], "the provider told us that the first one's is over"
    assert signed_on(place, there), "who works at the other desk all the while"


def test_a_desk_that_was_ended_from_elsewhere_asks_who_is_there(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """From my shift's page I end the desk that I forgot; my shift goes on here, and there somebody must sign on anew."""
    place = ward[0]
    forgotten = at_work(place, browsers(), "r.singh")
    here = at_work(place, browsers(), "r.singh")
    page = here.get(f"{place.url}/shift")
    for index in [i for i, form in enumerate(page.document().forms) if "session" in form.fields]:
        here.submit(page, form=index)
    assert cut_off(ward, forgotten)
    assert signed_on(place, here)
    assert place.events(type="session.revoked")[-1]["reason"] == "ended-by-clinician"
    asked = forgotten.submit(forgotten.get(f"{place.url}/sign-on"))
    assert asked.url.startswith(place.issuer), asked.url


# By the provider


@pytest.mark.parametrize("which", ["the latest device", "an earlier device"])
def test_a_log_out_at_the_provider_ends_that_device_and_with_the_last_one_the_shift(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser], which: str
) -> None:
    """Back-channel, as the provider sends it: the other desk goes on until its own log-out, another person's always."""
    place, _, front = ward
    other = at_work(place, browsers(), "r.singh")
    first, second = (at_work(place, browsers(), "dr.lee") for _ in range(2))
    known, told = len(ends(place, "dr.lee")), len(front.passed)
    left, stays = (second, first) if which == "the latest device" else (first, second)
    left_at_the_provider(place, left)
    assert cut_off(ward, left)
    assert signed_on(place, stays)
    assert stays.get(f"{place.system_url('viewer')}/viewer/").status == 200
    assert place.events(type="session.revoked")[-1]["reason"] == "provider-log-out"
    assert ends(place, "dr.lee")[known:] == []
    left_at_the_provider(place, stays)
    assert [status for _, status in front.passed[told:]] == [200, 200]
    assert cut_off(ward, stays)
    assert signed_on(place, other)
    assert ends(place, "dr.lee")[known:] == ["provider-log-out"]
    said = [e for e in place.events(type="logout.ok") if e["subject"] == "dr.lee" and e["by"] == "provider"]
    assert [e["everywhere"] for e in said[-2:]] == [False, False]


def test_a_log_out_of_a_session_that_seated_nobody_ends_nothing(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """Somebody went as far as the provider's form at another desk, and left: what is open under their name stays."""
    place, _, front = ward
    here, elsewhere = at_work(place, browsers(), "r.singh"), browsers()
    callback_of(place, elsewhere, "r.singh")
    told = len(front.passed)
    left_at_the_provider(place, elsewhere)
    assert [status for _, status in front.passed[told:]] == [200]
    assert signed_on(place, here)


def test_a_log_out_that_names_only_the_person_ends_everything_of_theirs(
    tmp_path: Path, browsers: Callable[[], Browser]
) -> None:
    """A client that is told no session of the provider: both desks, and nobody else's."""
    with balancer() as front:
        registered = {"backchannel_logout_uri": f"{front.origin}/backchannel-logout"}
        with hospital(tmp_path, [], registered=registered) as place:
            front.public_url = place.url
            first, second, other = (browsers() for _ in range(3))
            for browser, login in ((first, "n.okoye"), (second, "n.okoye"), (other, "r.singh")):
                place.sign_on(browser, login)
            left_at_the_provider(place, first)
            assert [status for _, status in front.passed] == [200]
            assert [signed_on(place, browser) for browser in (first, second, other)] == [False, False, True]
            assert ends(place, "n.okoye") == ["provider-log-out"]
            assert [e["everywhere"] for e in place.events(type="logout.ok")] == [True]


def test_a_log_out_token_is_good_once_and_under_our_name_only(
    ward: tuple[Hospital, Viewer, Balancer], browsers: Callable[[], Browser]
) -> None:
    """Sent again it is refused and ends nothing; at an address that is no host of ours it is not even read."""
    place, _, front = ward
    browser = at_work(place, browsers(), "n.okoye")
    left_at_the_provider(place, browser)
    token, _ = front.passed[-1]
    assert cut_off(ward, browser)
    at_work(place, browser, "n.okoye")
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert front.hand_on("/backchannel-logout", kind["content-type"], token)[0] == 400
    assert place.events(type="logout.rejected")[-1]["reason"] == "replay"
    direct = browser.once("POST", f"http://127.0.0.1:{place.port}/backchannel-logout", headers=kind, body=token)
    assert direct.status_code == 421
    assert signed_on(place, browser)
