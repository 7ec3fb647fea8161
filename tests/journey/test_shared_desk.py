"""A ward PC that somebody left: the next click is nobody's until the provider has asked, and the first one's phone goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from .balancer import Balancer, balancer
from .browser import Browser, Page
from .hospital import Hospital, hospital
from .sign_on import begun, fields, signed_on

pytestmark = pytest.mark.counterpart

IDLE = {"idle": dict.fromkeys(("shared", "issued", "personal", "unknown"), "5s")}
WHY = "Somebody was signed on here before"
LOCKED = "Unlock by signing on again"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hospital, Balancer]]:
    """On site, where an unknown device is a shared one; the provider tells us of its sessions' ends."""
    with balancer() as front:
        registered = {
            "backchannel_logout_uri": f"{front.origin}/backchannel-logout",
            "backchannel_logout_session_required": True,
        }
        with hospital(tmp_path_factory.mktemp("ward"), [], registered=registered, shift=IDLE) as running:
            front.public_url = running.url
            yield running, front


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


def left_alone(place: Hospital, browser: Browser, *, busy: tuple[Browser, ...] = ()) -> None:
    """Until the session has locked of itself, which this question does not put off; the busy ones work on meanwhile."""
    until = time.monotonic() + PATIENCE
    while browser.once("GET", f"{place.url}/enter?ticket=x").headers["location"] == "/":
        assert time.monotonic() < until
        assert all(signed_on(place, other) for other in busy)
        time.sleep(0.1)


def clicked(place: Hospital, browser: Browser, at: str = "/unlock") -> tuple[Page, Page]:
    """The page that a click leads to, and where signing on there does."""
    page = browser.get(f"{place.url}/")
    assert page.url == f"{place.url}{at}"
    return page, browser.submit(page, form="/again" if at == "/unlock" else 0)


def seated(place: Hospital, login: str) -> int:
    return len([e for e in place.events(type="session.seated") if e["subject"] == login])


def test_a_click_after_the_idle_time_looks_at_nothing_under_the_name_of_the_one_before(
    ward: tuple[Hospital, Balancer], browsers: Callable[[], Browser]
) -> None:
    """The provider still knows the nurse and asks all the same; the doctor who sits down there ends nothing of the nurse's."""
    place, front = ward
    phone, desk = browsers(), browsers()
    assert WHY not in desk.get(f"{place.url}/").text, "nobody was here before"
    place.sign_on(phone, "n.okoye")
    place.sign_on(desk, "n.okoye")
    left_alone(place, desk, busy=(phone,))
    before, told = seated(place, "n.okoye"), len(front.passed)
    page, asked = clicked(place, desk)
    assert page.text.count(LOCKED) == 1
    assert asked.url.startswith(f"{place.issuer}/interaction/"), asked.url
    assert 'name="password"' in asked.text
    assert seated(place, "n.okoye") == before
    assert signed_on(place, phone)
    switching = desk.submit(asked, login="dr.lee", password="correct horse", otp="000000")
    page = desk.submit(switching)  # the provider ends the nurse's session there by a form that sends itself
    assert "Lee Adler" in page.text
    assert "Okoye" not in page.text
    assert [status for _, status in front.passed[told:]] == [200]
    assert signed_on(place, phone), "the log-out was of the desk's session"
    assert [e for e in place.events(type="shift.ended") if e["subject"] == "n.okoye"] == []


def test_the_same_person_proves_it_and_goes_on_in_the_same_shift(
    ward: tuple[Hospital, Balancer], browsers: Callable[[], Browser]
) -> None:
    """It costs one password: the shift, and the page that was asked for, are still there."""
    place, _ = ward
    desk = browsers()
    place.sign_on(desk, "r.singh")
    left_alone(place, desk)
    page = desk.get(f"{place.url}/shift")
    assert page.url == f"{place.url}/unlock?next=/shift"
    assert LOCKED in page.text
    page = desk.submit(desk.submit(page, form="/again"), login="r.singh", password="paper clip", otp="000000")
    assert page.url == f"{place.url}/shift"
    assert len([e for e in place.events(type="shift.started") if e["subject"] == "r.singh"]) == 1
    assert [e["method"] for e in place.events(type="session.unlocked") if e["subject"] == "r.singh"] == ["federated"]
    assert seated(place, "r.singh") == 1


def test_a_browser_that_was_closed_without_a_sign_off_asks_too(
    ward: tuple[Hospital, Balancer], browsers: Callable[[], Browser]
) -> None:
    """It has forgotten our session, and not the provider's."""
    place, _ = ward
    desk = browsers()
    place.sign_on(desk, "p.watt")
    assert desk.cookies[place.url.partition("://")[2]].pop("__Host-lanyard")
    page, asked = clicked(place, desk, at="/sign-on")
    assert WHY in page.text
    assert asked.url.startswith(f"{place.issuer}/interaction/"), asked.url
    assert seated(place, "p.watt") == 1


def test_a_device_of_one_s_own_asks_after_a_lock_only(
    tmp_path_factory: pytest.TempPathFactory, browsers: Callable[[], Browser]
) -> None:
    """Outside the hospital's network no device is taken for a shared one: but for a lock, a click goes on."""
    with hospital(tmp_path_factory.mktemp("home"), [], shift=IDLE, started=False) as place:
        place.config["zones"][0]["posture"] = "off-site"
        place.write()
        place.start()
        phone = browsers()
        place.sign_on(phone, "n.okoye")
        left_alone(place, phone)
        _, asked = clicked(place, phone)
        assert asked.url.startswith(f"{place.issuer}/interaction/"), asked.url
        assert phone.cookies[place.url.partition("://")[2]].pop("__Host-lanyard"), "the browser was closed"
        assert "prompt" not in fields(begun(place, phone))
        page, back = clicked(place, phone, at="/sign-on")
        assert WHY not in page.text
        assert back.url == f"{place.url}/"
        assert "N Okoye" in back.text
