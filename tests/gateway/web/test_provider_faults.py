"""The identity provider fails while clinicians work: what goes on, what does not, and how often it is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sso.testing import Reply, rsa_key

from .front import MAIN, Front, Tab, front

SHIFTS = 40


async def seated(house: Front, number: int) -> Tab:
    tab = house.tab()
    house.provider.claims = {"sub": f"nurse-{number}", "sid": f"s-{number}"}
    await tab.sign_on()
    return tab


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0.01)


async def test_half_an_hour_without_the_provider_stops_nobody_and_asks_it_once_a_second_at_most(house: Front) -> None:
    """Every shift works all the time; forty of them, opening a page each, cause no storm; a new sign-on is told. (F16)"""
    tabs = [await seated(house, number) for number in range(SHIFTS)]
    house.provider.replies["/token"] = Reply(503)
    await tabs[0].get(MAIN + "/")
    worked = asked_worst = 0
    for minute in range(1, 7):  # a page at least within each idle time
        house.clock.step = minute * 280.0
        before = house.provider.count("/token")
        for tab in tabs:
            worked += (await tab.get(MAIN + "/")).status_code == 200
        await settle()
        if minute > 2:  # it is known to be away
            asked_worst = max(asked_worst, house.provider.count("/token") - before)
    assert worked == 6 * SHIFTS
    assert asked_worst <= 3, "one question a second, and the pages took less than three"
    answer, _ = await house.tab().follow(f"{MAIN}/sign-on/start")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    flagged = [event for event in await house.events("shift.ended") if event["reason"] == "provider-away"]
    assert flagged == []


async def test_when_it_is_back_every_shift_is_confirmed_again(house: Front) -> None:
    """The flag goes from the page, without anybody doing anything."""
    tab = await seated(house, 1)
    house.provider.replies["/token"] = Reply(503)
    for step in (290.0, 310.0):
        house.clock.step = step
        await tab.get(MAIN + "/")
        await settle()
    assert "does not answer" in (await tab.get(MAIN + "/")).text
    del house.provider.replies["/token"]
    house.clock.step = 345.0
    await tab.get(MAIN + "/")
    await settle()
    assert "does not answer" not in (await tab.get(MAIN + "/")).text


async def test_grace_ends_every_shift_in_time_although_few_are_asked_for(tmp_path: Path) -> None:
    """A shift whose turn to ask does not come is over all the same."""
    async with front(tmp_path, shift={"grace": "20m"}) as house:
        tabs = [await seated(house, number) for number in range(10)]
        house.provider.replies["/token"] = Reply(503)
        for step in (280.0, 560.0, 840.0, 1120.0, 1210.0):
            house.clock.step = step
            for tab in tabs:
                await tab.get(MAIN + "/")
            await settle()
        house.clock.step = 1220.0
        assert [(await tab.get(MAIN + "/")).status_code for tab in tabs] == [303] * 10
        ended = [event["reason"] for event in await house.events("shift.ended")]
        assert ended == ["provider-away"] * 10


async def test_keys_are_rotated_without_a_failed_sign_on(house: Front) -> None:
    """The new key is published beside the old one, then alone: two fetches, nobody refused. (F17)"""
    await seated(house, 1)
    fetched = house.provider.count("/jwks")
    old, new = house.provider.key, rsa_key("toy-2")
    house.provider.published = [key.as_dict(private=False) for key in (old, new)]
    await seated(house, 2)
    house.provider.key = new
    house.clock.step = 61.0
    await seated(house, 3)
    house.provider.published = [new.as_dict(private=False)]
    house.clock.step = 122.0
    for number in range(4, 10):
        assert (await (await seated(house, number)).get(MAIN + "/")).status_code == 200
    assert 1 <= house.provider.count("/jwks") - fetched <= 2
    assert [event["reason"] for event in await house.events("login.failed")] == []


async def test_a_flood_of_unknown_keys_costs_the_provider_two_fetches(house: Front) -> None:
    """A thousand tokens by keys that nobody has, and an empty key set: one look a minute, and the keys at hand serve. (F17)"""
    await seated(house, 1)
    fetched = house.provider.count("/jwks")
    house.provider.published = []
    forged = "logout_token=" + house.provider.logout_token(header={"typ": "logout+jwt", "kid": "nobody-s"})
    form = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(1000):
        answer = await house.tab().ask("POST", f"{MAIN}/backchannel-logout", form, forged.encode())
        assert answer.status_code == 400
    assert house.provider.count("/jwks") - fetched <= 2
    assert (await (await seated(house, 2)).get(MAIN + "/")).status_code == 200


async def test_a_clock_that_is_five_minutes_off_is_named_as_the_reason(house: Front) -> None:
    """Either way; a minute is forgiven. (F18)"""
    for skew, works in ((300.0, False), (-600.0, False), (55.0, True), (-55.0, True)):
        house.provider.now = lambda skew=skew: house.clock() + skew  # type: ignore[misc]  # the loop's value
        page = await house.tab().sign_on()
        assert ("Your systems" in page.text) is works
        if not works:
            assert "clock is right" in page.text
    reasons = {event["reason"] for event in await house.events("login.failed")}
    assert len(reasons) == 1
