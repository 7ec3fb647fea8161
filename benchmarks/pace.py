"""Open loop: everything begins when it is due, whether what was before it has ended or not, and waits are counted from that instant.

A loop that sends the next request when the last one was answered leaves out whoever would have come meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

REFUSED = (OSError, EOFError, RuntimeError, KeyError, ValueError, IndexError, TimeoutError)
LONGEST = 30.0  # seconds before whoever waits has gone


@dataclass
class Waits:
    """Seconds from the instant that each was due, by that instant; and what went wrong, by its words."""

    took: list[tuple[float, float]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        return self.failed.total()

    def ms(self, percent: int, since: float = 0.0, until: float = float("inf")) -> float:
        """So many in a hundred took no longer, of those that were due then."""
        took = sorted(took for due, took in self.took if since <= due < until)
        return took[max(0, -(-len(took) * percent // 100) - 1)] * 1e3 if took else float("nan")


def drawn(rates: Sequence[tuple[float, float]], chance: random.Random) -> list[float]:
    """Instants as people come, by chance, as many as are meant. `rates`: for so many seconds, so many a second."""
    begun, due = 0.0, []
    for seconds, rate in rates:
        due += sorted(begun + chance.random() * seconds for _ in range(round(seconds * rate)))
        begun += seconds
    return due


async def paced(due: Sequence[float], one: Callable[[int], Awaitable[object]]) -> Waits:
    """Each at its instant from now on; until the last has ended."""
    waits, begun = Waits(), time.perf_counter()

    async def timed(number: int, at: float) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await one(number)
        except REFUSED as error:
            waits.failed[f"{type(error).__name__}: {error}"[:120]] += 1
        waits.took.append((at, time.perf_counter() - begun - at))

    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(due):
            if (early := begun + at - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            group.create_task(timed(number, at))
    return waits
