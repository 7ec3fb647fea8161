"""A system that lets each clinician in once: the second device is told where it is open, and gets in when that is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .browser import Browser, Page
from .one_log_on import Place, one_log_on
from .recorder import PATIENCE

pytestmark = pytest.mark.counterpart

ONE = "one_per_clinician"


@pytest.fixture
def devices() -> Iterator[tuple[Browser, Browser]]:
    with Browser() as first, Browser() as second:
        yield first, second


def signed_on(place: Place, devices: tuple[Browser, Browser], login: str = "n.okoye") -> None:
    for browser in devices:
        place.hospital.sign_on(browser, login)


def opened(place: Place, browser: Browser) -> Page:
    """The page, once the system can be had: a log-off goes on behind the page that says that one is signed off."""
    until = time.monotonic() + PATIENCE
    while (page := browser.get(place.list)).status == 409:
        assert time.monotonic() < until, page.text
        browser.get(f"{place.hospital.url}/")  # the clinician is still there
    return page


def test_the_second_device_is_told_where_the_system_is_open(tmp_path: Path, devices: tuple[Browser, Browser]) -> None:
    """In words that say what to do, with a way to do it; and the system hears nothing of it."""
    with one_log_on(tmp_path, ONE) as place:
        signed_on(place, devices)
        first, second = devices
        assert "Work list" in first.get(place.list).text
        before = list(place.upstream.seen)
        for _ in range(3):
            told = second.get(place.list)
            assert told.status == 409
            assert "open on another of your devices" in told.text
            assert "desktop, ward, signed on at" in told.text
            assert "Sign off on the other device, or end it under" in told.text
            assert "extension 3333" in told.text
            assert "open-elsewhere" in told.text
            assert told.document().xpath("//a[@class='button']/@href") == [f"{place.hospital.url}/shift"]
        assert place.upstream.seen == before
        assert "Work list" in first.get(place.list).text
        assert (place.pas.log_ons, place.pas.turned_away) == (1, 0)


def test_a_script_is_told_the_same(tmp_path: Path, devices: tuple[Browser, Browser]) -> None:
    """A background call gets a problem with the code and the words."""
    with one_log_on(tmp_path, ONE) as place:
        signed_on(place, devices)
        first, second = devices
        first.get(place.list)
        second.get(place.list)  # the way in is a navigation
        told = second.once(
            "GET", place.list, came_from=place.list, headers={"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
        )
        assert told.status_code == 409
        assert told.json()["type"] == "urn:lanyard:open-elsewhere"
        assert "`Patient administration` open on another device" in told.json()["detail"]


@pytest.mark.parametrize("how", ["signed off there", "ended from here"])
def test_after_the_first_device_s_end_the_second_gets_in(
    tmp_path: Path, devices: tuple[Browser, Browser], how: str
) -> None:
    """The system is logged off for the first device before it is logged on for the second; its page is the second's own."""
    with one_log_on(tmp_path, ONE) as place:
        signed_on(place, devices)
        first, second = devices
        first.get(place.list)
        assert second.get(place.list).status == 409
        if how == "signed off there":
            page = first.submit(first.get(f"{place.hospital.url}/"), form="/sign-off")
            assert "signed off" in page.text
        else:
            shift = second.get(f"{place.hospital.url}/shift")
            assert "Opened: Patient administration" in shift.text
            assert second.submit(shift, form="/shift/end").status == 200
            assert first.get(place.list).url.startswith(f"{place.hospital.url}/sign-on")
        page = opened(place, second)
        assert (page.status, page.url) == (200, place.list)
        assert "Work list" in page.text
        assert place.pas.shown == ["upstream-1", "upstream-2"]
        assert (place.pas.log_ons, place.pas.log_offs, place.pas.turned_away) == (2, 1, 0)


@pytest.mark.parametrize("restarted", [False, True], ids=["running on", "after a restart"])
def test_a_device_that_was_left_does_not_hold_the_system(
    tmp_path: Path, devices: tuple[Browser, Browser], restarted: bool
) -> None:
    """Nobody signs off in a hurry: once the first device is idle, the second gets in, behind an orderly log-off."""
    idle = dict.fromkeys(("shared", "issued", "personal", "unknown"), "4s")
    with one_log_on(tmp_path, ONE, shift={"idle": idle}) as place:
        signed_on(place, devices)
        first, second = devices
        assert first.get(place.list).status == 200
        assert second.get(place.list).status == 409
        if restarted:
            assert place.hospital.stop() == 0
            place.hospital.start()
            page = second.get(f"{place.hospital.url}/")
            if "/unlock" in page.url:  # it took longer than that
                second.submit(
                    second.submit(page, form="/again"), login="n.okoye", password="battery staple", otp="000000"
                )
        assert opened(place, second).status == 200
        assert place.pas.shown == ["upstream-1", "upstream-2"]
        assert (place.pas.log_offs, place.pas.turned_away) == (1, 0)
        assert first.get(place.list).url.startswith(f"{place.hospital.url}/unlock")


def test_another_clinician_is_not_held_up(tmp_path: Path, devices: tuple[Browser, Browser]) -> None:
    """One log-on for each clinician: somebody else's is their own business."""
    with one_log_on(tmp_path, ONE) as place:
        first, second = devices
        place.hospital.sign_on(first, "n.okoye")
        place.hospital.sign_on(second, "dr.lee")
        assert first.get(place.list).status == 200
        place.pas.live = ""  # it counts by person, and this one counts them all
        assert second.get(place.list).status == 200
        assert place.pas.log_ons == 2


def test_one_log_on_for_the_whole_shift(tmp_path: Path, devices: tuple[Browser, Browser]) -> None:
    """With `share = "shift"` both devices are in by the same log-on, which ends with the last of them."""
    with one_log_on(tmp_path, "shift") as place:
        signed_on(place, devices)
        first, second = devices
        for browser in (first, second, first, second):
            assert browser.get(place.list).status == 200
        assert place.pas.log_ons == 1
        assert set(place.pas.shown) == {"upstream-1"}
        first.submit(first.get(f"{place.hospital.url}/"), form="/sign-off")
        assert second.get(place.list).status == 200
        assert (place.pas.log_ons, place.pas.log_offs) == (1, 0)
        second.submit(second.get(f"{place.hospital.url}/"), form="/sign-off")
        place.upstream.wait(lambda _: place.pas.log_offs == 1)
        assert place.pas.live == ""
