"""Are the claims still true? The certified provider is asked again, and what it says then holds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .balancer import balancer
from .browser import Browser, Page
from .hospital import Hospital, hospital
from .sign_on import fields, signed_on

pytestmark = pytest.mark.counterpart

PATIENCE = 10.0


@pytest.fixture
def browsers() -> Iterator[Callable[[], Browser]]:
    """Each call: another browser, on another desk."""
    with contextlib.ExitStack() as open_ones:
        yield lambda: open_ones.enter_context(Browser())


@contextlib.contextmanager
def rechecking(folder: Path, **registered: Any) -> Iterator[Hospital]:
    """Claims are believed for a second, and the provider tells us nothing by itself."""
    told_nothing = {"backchannel_logout_uri": None, **registered}
    with hospital(folder, [], registered=told_nothing, sso={"recheck": "1s"}) as running:
        yield running


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """The provider gives this client no refresh tokens."""
    with rechecking(tmp_path_factory.mktemp("silent"), grant_types=["authorization_code"]) as running:
        yield running


@pytest.fixture(scope="module")
def refreshing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with rechecking(tmp_path_factory.mktemp("refreshing")) as running:
        yield running


def provider_of(place: Hospital) -> str:
    return place.issuer.partition("://")[2]


def looked_again(place: Hospital, browser: Browser) -> Page:
    """My shift's page, again and again, until looking at it led somewhere first."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        page = browser.get(f"{place.url}/shift")
        if len(page.trail) > 1:
            return page
        time.sleep(0.05)
    raise AssertionError("nothing was checked")


def test_without_a_refresh_token_a_page_is_there_after_a_silent_question(
    silent: Hospital, browsers: Callable[[], Browser]
) -> None:
    """`prompt=none` at the provider and back to the page that was asked for: same cookie, same shift, one entry."""
    browser = browsers()
    silent.sign_on(browser, "n.okoye")
    before = dict(browser.cookies[silent.url.partition("://")[2]])
    page = looked_again(silent, browser)
    assert (page.url, page.status) == (f"{silent.url}/shift", 200)
    assert fields(page.trail[1])["prompt"] == "none"
    assert page.trail[2].startswith(f"{silent.url}/sign-on/callback?")
    assert browser.cookies[silent.url.partition("://")[2]] == before
    shifts = {e["shift"] for e in silent.events(type="shift.renewed") if e["subject"] == "n.okoye"}
    assert [e["shift"] for e in silent.events(type="shift.started") if e["subject"] == "n.okoye"] == list(shifts)


def test_when_the_provider_knows_nobody_any_more_one_signs_on_anew(
    silent: Hospital, browsers: Callable[[], Browser]
) -> None:
    """The silent question comes back as `login_required`: the provider's form, and behind it the page that was asked for."""
    browser = browsers()
    silent.sign_on(browser, "r.singh")
    browser.cookies.pop(provider_of(silent))
    page = looked_again(silent, browser)
    assert page.url.startswith(f"{silent.issuer}/interaction/")
    assert any("error=login_required" in url for url in page.trail)
    page = browser.submit(page, login="r.singh", password="paper clip", otp="000000")
    assert page.url == f"{silent.url}/shift"
    assert "R Singh" in page.text
    assert len([e for e in silent.events(type="shift.started") if e["subject"] == "r.singh"]) == 1


def test_when_somebody_else_is_signed_on_there_nobody_becomes_them(
    silent: Hospital, browsers: Callable[[], Browser]
) -> None:
    """A page that says so; the silent question never seats the other person."""
    browser, other = browsers(), browsers()
    silent.sign_on(browser, "p.watt")
    silent.sign_on(other, "dr.lee")
    browser.cookies[provider_of(silent)] = dict(other.cookies[provider_of(silent)])
    page = looked_again(silent, browser)
    assert page.status == 403
    assert "somebody else" in page.text.lower()
    assert silent.events(type="login.failed")[-1]["reason"] == "other-person"
    assert not [e for e in silent.events(type="session.seated") if e["subject"] == "dr.lee"][1:]


def test_a_silent_answer_after_sign_off_signs_nobody_on(silent: Hospital, browsers: Callable[[], Browser]) -> None:
    """The question was under way when the clinician signed off: its answer ends at the sign-on page."""
    browser = browsers()
    silent.sign_on(browser, "n.okoye")
    until = time.monotonic() + PATIENCE
    while (asked := browser.once("GET", f"{silent.url}/shift")).status_code != 303:
        assert time.monotonic() < until
        time.sleep(0.05)
    answer = browser.once("GET", asked.headers["location"]).headers["location"]
    browser.once("POST", f"{silent.url}/sign-off", came_from=f"{silent.url}/")
    page = browser.get(answer)
    assert page.url == f"{silent.url}/sign-on"
    assert not signed_on(silent, browser)


def test_a_session_ended_at_the_provider_ends_the_shift_by_the_next_refresh(
    refreshing: Hospital, browsers: Callable[[], Browser]
) -> None:
    """No word from the provider, but the refresh token is worth nothing any more; another person's is, and they stay."""
    browser, other = browsers(), browsers()
    refreshing.sign_on(browser, "n.okoye")
    refreshing.sign_on(other, "dr.lee")
    browser.submit(browser.get(f"{refreshing.issuer}/session/end"), logout="yes")
    until = time.monotonic() + PATIENCE
    while signed_on(refreshing, browser):
        assert signed_on(refreshing, other)
        assert time.monotonic() < until
        time.sleep(0.05)
    ended = refreshing.events(type="shift.ended")
    assert [(e["subject"], e["reason"]) for e in ended] == [("n.okoye", "refresh")]
    assert signed_on(refreshing, other)


def test_a_log_out_at_the_latest_desk_does_not_end_the_shift_by_its_refresh_token(
    tmp_path: Path, browsers: Callable[[], Browser]
) -> None:
    """The token goes with the session that it was given to: the other desk is asked for silently, and works on."""
    with balancer() as front:
        told = {
            "backchannel_logout_uri": f"{front.origin}/backchannel-logout",
            "backchannel_logout_session_required": True,
        }
        with hospital(tmp_path, [], registered=told, sso={"recheck": "1s"}) as place:
            front.public_url = place.url
            stays, latest = browsers(), browsers()
            place.sign_on(stays, "n.okoye")
            place.sign_on(latest, "n.okoye")
            latest.submit(latest.get(f"{place.issuer}/session/end"), logout="yes")
            assert not signed_on(place, latest)
            page = looked_again(place, stays)
            assert page.url == f"{place.url}/shift"
            assert fields(page.trail[1])["prompt"] == "none"
            time.sleep(1.1)  # the claims are due again: by the refresh token that this desk has brought
            for _ in range(3):
                assert signed_on(place, stays)
            assert place.events(type="shift.ended") == []
