"""Few sit down at once; nobody is refused for it."""

from __future__ import annotations

import asyncio

from gateway.web.places import Places


async def test_only_so_many_sit_down_at_once_in_the_order_in_which_they_came() -> None:
    """Whoever is at work waits for few of them."""
    places, inside, most, order = Places(2, 60.0), 0, 0, list[int]()

    async def sign_on(number: int) -> None:
        nonlocal inside, most
        async with places.one():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            order.append(number)

    await asyncio.gather(*(sign_on(number) for number in range(20)))
    assert most == 2
    assert order == list(range(20))


async def test_whoever_has_waited_for_long_goes_on_without_a_place() -> None:
    """A sign-on waits for a while, and never fails for it; nor does it give back a place that it had not."""
    places, over = Places(1, 0.05), asyncio.Event()

    async def stays() -> None:
        async with places.one():
            await over.wait()

    staying = asyncio.create_task(stays())
    await asyncio.sleep(0)
    async with places.one():
        assert not staying.done()
    late = asyncio.create_task(stays())
    await asyncio.sleep(0)
    assert not late.done()
    over.set()
    await asyncio.gather(staying, late)
    async with asyncio.timeout(20), places.one():
        pass
