"""A refresh token is good once: however many ask when claims are due, the provider is asked once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import open_gateway
from gateway.config import load
from gateway.leases import Leases
from gateway.stores.sqlite import SqliteStore
from sso.testing import Asked, Reply

from .front import MAIN, Front, Tab, front


class Slow:
    """The provider takes its time over each answer from now on, until it is let go."""

    def __init__(self, house: Front) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        converse = house.provider._converse

        async def slowly(reader: Any, writer: Any) -> None:
            self.reached.set()
            await self.go.wait()
            await converse(reader, writer)

        house.provider._converse = slowly  # type: ignore[method-assign]  # the toy, made slower


def refreshes(house: Front) -> list[Asked]:
    return [one for one in house.provider.asked if one.form.get("grant_type") == "refresh_token"]


async def due(house: Front) -> Tab:
    """A clinician whose claims are to be asked for again at the next request."""
    tab = house.tab()
    await tab.sign_on()
    house.clock.step = 280
    assert (await tab.get(MAIN + "/")).status_code == 200
    assert refreshes(house) == []
    house.clock.step = 301
    return tab


async def come_back(house: Front, number: int) -> None:
    async with asyncio.timeout(5):
        while len(refreshes(house)) < number:
            await asyncio.sleep(0.002)


async def quiet(tab: Tab) -> None:
    """Once the answer has been taken, another fifty requests ask for nothing."""
    async with asyncio.timeout(5):
        while any(task.get_name() == "recheck" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.002)
    for _ in range(50):
        assert (await tab.get(MAIN + "/")).status_code == 200


@pytest.mark.parametrize("rounds", [1, 3])
async def test_fifty_requests_at_once_ask_the_provider_once(house: Front, rounds: int) -> None:
    """OIDC-108, OIDC-109: nobody waits for the provider, who is asked once, however long that takes."""
    tab, slow = await due(house), Slow(house)
    for _ in range(rounds):
        got = await asyncio.gather(*(tab.get(MAIN + "/") for _ in range(50)))
        assert {answer.status_code for answer in got} == {200}
    slow.go.set()
    await come_back(house, 1)
    await quiet(tab)
    assert len(refreshes(house)) == 1
    assert await house.events("shift.ended") == []


async def test_the_next_refresh_is_by_the_new_token(house: Front) -> None:
    """OIDC-108: what the provider gave in place of the used one is what it gets the next time."""
    tab = await due(house)
    await tab.get(MAIN + "/")
    await come_back(house, 1)
    await quiet(tab)
    house.clock.step = 590  # so that the session has not been idle for five minutes
    await tab.get(MAIN + "/")
    house.clock.step = 602
    await tab.get(MAIN + "/")
    await come_back(house, 2)
    first, second = refreshes(house)
    assert first.form["refresh_token"] != second.form["refresh_token"]


async def test_a_browser_that_goes_away_does_not_take_the_refresh_along(house: Front) -> None:
    """OIDC-111: the request is given up while the provider answers; the answer is kept all the same."""
    tab, slow = await due(house), Slow(house)
    asking = asyncio.create_task(tab.get(MAIN + "/"))
    await slow.reached.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    slow.go.set()
    await come_back(house, 1)
    await quiet(tab)
    assert len(refreshes(house)) == 1


async def test_a_log_out_of_one_device_while_its_token_is_asked_about_leaves_the_other(house: Front) -> None:
    """The provider refuses the token since that session is over, and has told us so meanwhile: no end of the shift."""
    phone, latest = house.tab(), house.tab()
    await phone.sign_on()
    house.provider.claims = {"sid": "s-2"}
    await latest.sign_on()
    house.clock.step = 280
    assert (await phone.get(MAIN + "/")).status_code == 200
    house.clock.step, slow = 301, Slow(house)
    house.provider.replies["/token"] = Reply.json({"error": "invalid_grant"}, 400)
    assert (await phone.get(MAIN + "/")).status_code == 200
    await slow.reached.wait()
    form = {"content-type": "application/x-www-form-urlencoded"}
    told = f"logout_token={house.provider.logout_token(sid='s-2')}".encode()
    assert (await house.tab().ask("POST", f"{MAIN}/backchannel-logout", form, told)).status_code == 200
    slow.go.set()
    async with asyncio.timeout(5):
        while any(task.get_name() == "recheck" for task in asyncio.all_tasks()):
            await asyncio.sleep(0.002)
    assert len(refreshes(house)) == 1
    assert "prompt=none" in (await phone.get(MAIN + "/")).headers["location"]
    assert await house.events("shift.ended") == []


async def test_a_gateway_that_died_over_a_refresh_costs_one_sign_on(tmp_path: Path) -> None:
    """OIDC-110: the provider has given a new token to a process that is gone; one new sign-on, and no going round."""
    async with front(tmp_path) as house:
        tab, slow = await due(house), Slow(house)
        await tab.get(MAIN + "/")
        await slow.reached.wait()
        await house.running.closing.aclose()
        house.running = await open_gateway(load(tmp_path / "lanyard.toml", {}), now=house.clock)
        async with house.running.closing:
            house.provider.replies["/token"] = Reply.json({"error": "invalid_grant"}, 400)
            slow.go.set()
            async with asyncio.timeout(5):
                while (answer := await tab.get(MAIN + "/")).status_code == 200:
                    await asyncio.sleep(0.005)
            assert answer.headers["location"].startswith("/sign-on")
            assert len(await house.awaited("shift.ended")) == 1
            del house.provider.replies["/token"]
            assert (await tab.sign_on()).status_code == 200
            assert (await tab.get(MAIN + "/")).status_code == 200


async def test_a_provider_slower_than_the_lease_is_asked_once_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F21: fifty requests at each of two gateways; the lease is renewed while the provider takes its time, and nobody is signed off."""
    renewed = 0
    renew = SqliteStore.renew_lease

    async def counted(store: SqliteStore, name: str, holder: str, lasts: float) -> bool:
        nonlocal renewed
        renewed += 1
        return await renew(store, name, holder, lasts)

    monkeypatch.setattr(SqliteStore, "renew_lease", counted)
    monkeypatch.setitem(Leases.__init__.__kwdefaults__, "lasts", 0.3)  # type: ignore[arg-type]  # there are some
    async with front(tmp_path, gateways=2) as house:
        tab, slow = await due(house), Slow(house)
        got = await asyncio.gather(*(tab.get(MAIN + "/") for _ in range(100)))
        assert {answer.status_code for answer in got} == {200}
        async with asyncio.timeout(20):
            while renewed < 5:
                await asyncio.sleep(0.01)
        slow.go.set()
        await come_back(house, 1)
        await quiet(tab)
        assert len(refreshes(house)) == 1
        assert await house.events("shift.ended", "session.locked") == []
