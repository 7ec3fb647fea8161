"""How long a gateway goes on serving what another one has ended: a session, a shift, everything on a revoked device.

The one that ends is the product's own rooms in this process, over the same Redis and PostgreSQL; the one that serves has two workers, and
is asked every fifteen milliseconds for each of the sessions, so that it has them all in its cache. Counted from before the end is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.config import Config, load
from gateway.keys import seal_of
from gateway.sessions import Seat, Sessions
from gateway.stores.base import Store
from gateway.stores.opening import open_store

from .gateway import Bench, Place, lanyard
from .looks import Looks
from .seats import seat_one
from .stores import Stores, stores

TIMES = 12  # each way
_EVERY, _LONGEST = 0.015, 10.0  # seconds
End = Callable[[Seat], Awaitable[object]]


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port."""
    with stores(folder) as kept, lanyard(folder, to, Place(name="revoke", shifts=100, workers=2, stores=kept)) as ours:
        took = asyncio.run(_measured(ours, load(ours.config, {}), kept))
    return {
        "revoke.max_ms": round(max(took) * 1e3, 1),
        "revoke.p50_ms": round(sorted(took)[len(took) // 2] * 1e3, 1),
        "revoke.times": len(took),
    }


async def _measured(ours: Bench, config: Config, kept: Stores) -> list[float]:
    store = open_store(config, seal_of(config), beside=True)
    sessions = Sessions(store, time.time, longest=config.shift.longest)
    try:
        return await _ended(ours, config, store, sessions)
    finally:
        await store.close()


async def _ended(ours: Bench, config: Config, store: Store, sessions: Sessions) -> list[float]:
    ways: list[tuple[str, End]] = [
        ("", lambda seat: sessions.end_session(seat.session, "signed-off")),
        ("", lambda seat: sessions.end_shift(seat.shift, "signed-off")),
        ("device", lambda seat: sessions.revoke_device(seat.session.device.id)),
    ]
    took: list[float] = []
    for turn in range(TIMES):
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(_one(ours, config, sessions, turn * len(ways) + n, device and f"device{turn}", end))
                for n, (device, end) in enumerate(ways)
            ]
        took += [one.result() for one in running]
    return took


async def _one(ours: Bench, config: Config, sessions: Sessions, number: int, device: str, end: End) -> float:
    """Seconds from the end to the last look that was served."""
    seat = await seat_one(sessions, config, number + 200, device=device)
    cookie = await sessions.token(seat, ours.host)
    pollers = [Looks(ours.port, ours.host, [cookie]) for _ in range(4)]  # by both workers
    await asyncio.gather(*(poller.look(0) for poller in pollers))
    stop = time.perf_counter() + _LONGEST
    polling = [asyncio.ensure_future(_served(poller, stop)) for poller in pollers]
    await asyncio.sleep(0.2 + number % 7 * 0.13)  # at any instant between two looks for news
    begun = time.perf_counter()
    await end(seat)
    last = max(await asyncio.gather(*polling))
    for poller in pollers:
        poller.close()
    return max(0.0, last - begun)


async def _served(poller: Looks, stop: float) -> float:
    """When the last answer came that was not a refusal."""
    last = time.perf_counter()
    while time.perf_counter() < stop:
        if await poller.status(0) != 200:
            return last
        last = time.perf_counter()
        await asyncio.sleep(_EVERY)
    raise RuntimeError("it is served as if nothing had ended")
