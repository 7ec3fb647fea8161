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
