"""The bulkhead: one slow system slows nobody else, and says so."""

from __future__ import annotations

import asyncio

import pytest

from connectors.errors import SystemUnavailable
from gateway.proxy.limits import Bulkhead, Places


async def hold(places: Places, go: asyncio.Event, inside: list[int], number: int) -> None:
    async with places:
        inside.append(number)
        await go.wait()


async def test_so_many_at_once_and_the_rest_in_turn() -> None:
    """Places are given in the order of asking."""
    places, go, inside = Places("PAS", 2), asyncio.Event(), list[int]()
    tasks = [asyncio.create_task(hold(places, go, inside, n)) for n in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert inside == [0, 1]
    go.set()
    await asyncio.gather(*tasks)
    assert inside == [0, 1, 2, 3, 4]


async def test_waiting_has_an_end() -> None:
    """A clinician is told that the system is busy, by its title."""
    places = Places("PAS", 1, wait=0.01)
    async with places:
        with pytest.raises(SystemUnavailable, match="`PAS` is busy"):
            await places.__aenter__()
    async with places:
        pass


async def test_the_queue_has_an_end() -> None:
    """More than can be served soon are told at once."""
    places, go = Places("PAS", 1), asyncio.Event()
    tasks = [asyncio.create_task(hold(places, go, [], n)) for n in range(9)]
    for _ in range(3):
        await asyncio.sleep(0)
    with pytest.raises(SystemUnavailable):
        await places.__aenter__()
    go.set()
    await asyncio.gather(*tasks)


async def test_cancelled_waiters_take_no_place_with_them() -> None:
    """Whoever goes away while waiting, even in the moment of being served, leaves every place to the others."""
    places, go = Places("PAS", 1), asyncio.Event()
    first = asyncio.create_task(hold(places, go, [], 0))
    await asyncio.sleep(0)
    waiters = [asyncio.create_task(hold(places, asyncio.Event(), [], n)) for n in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    go.set()
    await first  # its place goes to the second waiter
    for waiter in waiters:
        waiter.cancel()
    assert all(isinstance(r, asyncio.CancelledError) for r in await asyncio.gather(*waiters, return_exceptions=True))
    async with asyncio.timeout(1), places:
        pass


async def test_one_clinician_takes_a_share_and_leaves_the_rest() -> None:
    """A page that asks for a hundred things keeps nobody else waiting; a share is never smaller than what one browser opens."""
    bulkhead, go, inside = Bulkhead("PAS", 32), asyncio.Event(), list[str]()

    async def ask(who: str) -> None:
        async with bulkhead.of(who):
            inside.append(who)
            await go.wait()

    greedy = [asyncio.create_task(ask("lee")) for _ in range(30)]
    await asyncio.sleep(0)
    other = asyncio.create_task(ask("okoye"))
    await asyncio.sleep(0.01)
    assert (inside.count("lee"), inside.count("okoye")) == (8, 1)
    go.set()
    await asyncio.gather(*greedy, other)
    assert inside.count("lee") == 30
    assert bulkhead.own == {}
    assert Bulkhead("PAS", 8).each == 6
    assert Bulkhead("PAS", 2).each == 2
