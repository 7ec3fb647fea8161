"""Gateways that have not heard of each other for a moment, and a clinician whose next request comes to another one at once."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

from .front import MAIN, front
from .test_handoff import asked, number_of
from .test_step_up import DOCTOR, EXPORT, SSO, SYSTEMS, is_refused, proved, signed_on


async def test_a_lock_is_open_or_shut_whichever_gateway_is_asked(tmp_path: Path) -> None:
    """The page that unlocks is there at once, and away at once: nobody is sent to and fro."""
    async with front(tmp_path, gateways=2) as house:
        tab, other = house.tab(), house.tab()
        await tab.sign_on()
        for _ in range(2):
            await other.get(f"{MAIN}/sign-on")  # the other gateway's turn
            assert (await tab.get(f"{MAIN}/")).status_code == 200
            to = (await tab.post(f"{MAIN}/lock")).headers["location"]
            page, way = await tab.follow(urljoin(MAIN, to))
            assert "<h1>Locked</h1>" in page.text
            assert len(way) == 1
            to = (await tab.post(f"{MAIN}/unlock/again", {"next": "/shift", "anyway": "yes"})).headers["location"]
            page, way = await tab.follow(to)
            assert page.status_code == 200
            assert way[-1] == f"{MAIN}/shift"


async def test_a_proof_that_was_given_at_one_gateway_counts_at_every_other(tmp_path: Path) -> None:
    """Nobody is asked for a second proof where the page that wanted the first comes from a gateway that knew them before it."""
    async with front(tmp_path, gateways=4, systems=SYSTEMS, sso=SSO) as house:
        house.provider.claims = dict(DOCTOR)
        tab = await signed_on(house)
        for _ in range(4):
            assert await is_refused(tab)
        _, way = await proved(house, tab)
        assert "/vault/pas" in way[-1], "permitted: what is asked for now is the log-on there"
        for _ in range(4):
            assert not await is_refused(tab, EXPORT)
        assert len([e for e in await house.events("login.ok") if e.get("step_up")]) == 1


async def test_a_shift_that_has_just_ended_elsewhere_is_joined_nowhere(tmp_path: Path) -> None:
    """The giver signed off at one gateway; the new device says the number at the other."""
    async with front(tmp_path, gateways=2) as house:
        desk, phone = house.tab(), house.tab()
        await desk.sign_on()
        number = await number_of(desk, await asked(phone))
        await house.tab().get(f"{MAIN}/sign-on")
        await desk.get(f"{MAIN}/")
        await desk.post(f"{MAIN}/sign-off")
        assert (await phone.post(f"{MAIN}/handoff/take", {"number": number})).status_code == 403
