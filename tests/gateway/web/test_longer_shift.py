"""A shift near its end: one proof makes it last through the handover, once, where assurance allows."""

from __future__ import annotations

from pathlib import Path

from .front import MAIN, Front, Tab, front

HOUR = 3600.0
STRONG = {"amr": ["pwd", "mfa"], "acr": "aal2"}


async def near_the_end(house: Front) -> Tab:
    """Seated before the last 90 minutes, and still active in them."""
    await house.tab().sign_on()
    house.clock.step = 10.42 * HOUR
    tab = house.tab()
    await tab.sign_on()
    for _ in range(2):
        house.clock.step += 200
        assert (await tab.get(MAIN + "/")).status_code == 200
    return tab


async def ends(house: Front) -> list[float]:
    """Hours from its start to the new end, for each time that it was moved."""
    (started,) = await house.events("shift.started")
    shifts = [event for event in await house.events("shift.renewed") if "ends" in event]
    assert {event["shift"] for event in shifts} <= {started["shift"]}
    began = house.clock() - house.clock.step
    return [round((event["ends"] - began) / HOUR, 1) for event in shifts]


async def test_a_proof_near_its_end_makes_a_shift_last_through_the_handover(house: Front) -> None:
    """The page says so in time; after it the shift lasts fourteen hours, and not a second proof makes it longer."""
    house.provider.claims = dict(STRONG)
    tab = await near_the_end(house)
    assert "Prove that it is you" in (await tab.get(MAIN + "/")).text
    await tab.sign_on("/sign-on/start?proof=fresh")
    assert "Prove that it is you" not in (await tab.get(MAIN + "/")).text
    assert await ends(house) == [14.0]
    house.clock.step = 13.5 * HOUR
    tab = house.tab()
    await tab.sign_on()
    assert (await tab.get(MAIN + "/")).status_code == 200
    assert await ends(house) == [14.0]
    house.clock.step = 14 * HOUR + 1
    assert (await tab.get(MAIN + "/")).status_code == 303


async def test_a_weak_proof_moves_nothing(house: Front) -> None:
    """A password alone starts a shift, and does not lengthen one."""
    tab = await near_the_end(house)
    assert "Prove that it is you" not in (await tab.get(MAIN + "/")).text
    await tab.sign_on("/sign-on/start?proof=fresh")
    assert await ends(house) == []


async def test_an_early_proof_and_a_silent_check_move_nothing(house: Front) -> None:
    """The end never moves by itself, nor hours before it."""
    house.provider.claims = dict(STRONG)
    for hour in (0.0, 3.0, 9.0):
        house.clock.step = hour * HOUR
        await house.tab().sign_on()
    tab = await near_the_end(house)
    for _ in range(3):
        house.clock.step += 280
        await tab.get(MAIN + "/")
    assert await ends(house) == []


async def test_a_hospital_may_decide_that_none_lasts_longer(tmp_path: Path) -> None:
    """`extended` as `longest`: nothing is offered."""
    async with front(tmp_path, shift={"extended": "12h"}) as house:
        house.provider.claims = dict(STRONG)
        tab = await near_the_end(house)
        assert "Prove that it is you" not in (await tab.get(MAIN + "/")).text
        await tab.sign_on("/sign-on/start?proof=fresh")
        assert await ends(house) == []


async def writes(tab: Tab) -> float:
    """What the guard script asks where something is typed and not sent; seconds to the end."""
    own = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"}
    answer = await tab.ask("POST", f"{MAIN}/.lanyard/active?writing", own)
    return float(answer.json()["ends_in"]) if answer.status_code == 200 else 0.0


async def at_its_last_minute(house: Front) -> Tab:
    await house.tab().sign_on()
    house.clock.step = 12 * HOUR - 59
    tab = house.tab()
    await tab.sign_on()
    return tab


async def test_a_shift_waits_for_what_is_being_written_and_not_for_ever(house: Front) -> None:
    """Two minutes from the moment that it is asked, again and again, a quarter of an hour in all; each is journalled."""
    tab = await at_its_last_minute(house)
    put_off = 0
    while (left := await writes(tab)) > 60:
        assert left <= 120
        await tab.get(MAIN + "/")  # somebody is there
        house.clock.step += left - 55
        put_off += 1
    house.clock.step += left + 1
    assert (await tab.get(MAIN + "/")).status_code == 303
    assert round(house.clock.step - 12 * HOUR) == 15 * 60 + 1
    assert len([e for e in await house.events("shift.renewed") if "ends" in e]) >= put_off > 5


async def test_writing_puts_nothing_off_before_the_last_minute_and_keeps_no_screen_open(house: Front) -> None:
    """It is no activity: an idle screen locks all the same."""
    await house.tab().sign_on()
    tab = house.tab()
    await tab.sign_on()
    before = await writes(tab)
    assert before > 11 * HOUR
    house.clock.step += 280
    assert await writes(tab) < before - 270
    house.clock.step += 25
    assert "/unlock" in (await tab.get(MAIN + "/")).headers["location"]
