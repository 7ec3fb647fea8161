"""Who is there? At a shared device a click never brings back whoever was signed on before."""

from __future__ import annotations

import pytest

from gateway.context import Surroundings
from policies.model import Device, Ownership

from .front import MAIN, Front, Tab

HOST = "records.localhost:8080"
WHY = "Somebody was signed on here before"
LONG_OVER = 3 * 86400.0


def kept_on(monkeypatch: pytest.MonkeyPatch, ownership: Ownership, idle: float = 300.0) -> None:
    """Every browser runs on such a device."""
    monkeypatch.setattr(Surroundings, "device", lambda *_: Device(ownership=ownership))
    monkeypatch.setattr(Surroundings, "idle", lambda *_: idle)


async def asked_anew(tab: Tab) -> bool:
    """Whether the provider is to ask, which the page before says too."""
    page = (await tab.get(f"{MAIN}/sign-on")).text
    start = await tab.get(f"{MAIN}/sign-on/start")
    assert (WHY in page) is ("prompt=login" in start.headers["location"])
    return WHY in page


async def swept(house: Front, tab: Tab) -> None:
    """The store has forgotten the session, the browser has not."""
    tab.cookies[HOST]["__Host-lanyard"] = "A" * 43


async def shift_over(house: Front, tab: Tab) -> None:
    house.clock.step = 12 * 3600 + 1


async def closed(house: Front, tab: Tab) -> None:
    """The browser was closed: cookies without an age are gone."""
    house.clock.step = LONG_OVER
    del tab.cookies[HOST]["__Host-lanyard"]


WAYS = {way.__name__: way for way in (shift_over, swept, closed)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ownership", Ownership)
async def test_a_click_brings_nobody_back_at_a_shared_device(
    house: Front, monkeypatch: pytest.MonkeyPatch, way: str, ownership: Ownership
) -> None:
    """However the session came to its end without anybody's word; one's own device goes on by a click."""
    idle = 86400.0 if way == "shift_over" else 300.0
    kept_on(monkeypatch, ownership, idle)
    tab = house.tab()
    assert not await asked_anew(tab), "nobody was here before"
    await tab.sign_on()
    assert not await asked_anew(tab), "who is signed on may prove more, and is not asked for this"
    await WAYS[way](house, tab)
    assert await asked_anew(tab) is (ownership is Ownership.SHARED)


@pytest.mark.parametrize("ownership", Ownership)
async def test_a_session_that_was_locked_for_too_long_is_not_brought_back_by_a_click(
    house: Front, monkeypatch: pytest.MonkeyPatch, ownership: Ownership
) -> None:
    """Nor on one's own device: it could only have been unlocked by a proof."""
    kept_on(monkeypatch, ownership)
    tab = house.tab()
    await tab.sign_on()
    house.clock.step = 300 + 4 * 3600 + 1
    assert await asked_anew(tab)


@pytest.mark.parametrize("without", ["__Host-lanyard", "__Host-lanyard-anew"])
async def test_either_of_two_cookies_says_that_somebody_was_here(house: Front, without: str) -> None:
    """The session's own, whose end the store knows, and one that outlives the browser's window."""
    tab = house.tab()
    await tab.sign_on()
    house.clock.step = 300 + 4 * 3600 + 1
    assert tab.cookies[HOST].pop(without)
    assert await asked_anew(tab)


@pytest.mark.parametrize("ownership", Ownership)
async def test_after_a_sign_off_every_device_asks(
    house: Front, monkeypatch: pytest.MonkeyPatch, ownership: Ownership
) -> None:
    """Whoever signs off means it, on their own device too; the next sign-on there settles it."""
    kept_on(monkeypatch, ownership)
    tab = house.tab()
    await tab.sign_on()
    await tab.post(f"{MAIN}/sign-off")
    assert await asked_anew(tab)
    await tab.sign_on()
    assert not await asked_anew(tab)


async def test_activity_that_the_store_has_not_heard_of_counts(house: Front) -> None:
    """What the store has of a busy session may be half a minute old: nobody who is signed on is taken for gone."""
    tab = house.tab()
    await tab.sign_on()
    house.clock.step = 290
    assert (await tab.get(MAIN + "/")).status_code == 200
    house.clock.step = 310
    assert not await asked_anew(tab)
