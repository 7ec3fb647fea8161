"""What many live shifts cost: CPU for each request with few and with many, memory of a worker, and memory of Redis.

Another gateway, the product's own rooms in this process, signs people on all the while, as in life: whatever a worker has in its cache it
has to hold against what others write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.config import Config, load
from gateway.keys import seal_of
from gateway.sessions import Sessions
from gateway.stores.opening import open_store

from . import beside
from .gateway import Bench, Place, lanyard
from .measure import load as wrk
from .seats import script, seat, seat_one
from .stores import stores

MANY = int(os.environ.get("BENCH_SHIFTS", "10000"))
FEW, ROUNDS, SECONDS = 100, 3, 4
_OTHERS_A_SECOND = 10


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port."""
    with stores(folder) as kept, lanyard(folder, to, Place(name="shifts", shifts=FEW, stores=kept, known=MANY)) as ours:
        config = load(ours.config, {})
        beside.warm(ours, FEW)
        few, small = _cpu(ours, config, ours.script), _worker_mb(ours)
        empty = kept.redis_bytes()
        print(f"· shifts: {MANY:,} are seated", flush=True)
        cookies = seat(config, ours.host, MANY, first=FEW)
        each = (kept.redis_bytes() - empty) / MANY
        rotating = script(folder, cookies, ours.host)
        print("· shifts: each of them logs on at the system", flush=True)
        _warm(ours, rotating, MANY)
        many, big = _cpu(ours, config, rotating), _worker_mb(ours)
    return {
        "shifts.live": MANY,
        "shifts.few_cpu_us": round(few, 1),
        "shifts.many_cpu_us": round(many, 1),
        "shifts100k.cpu_ratio": round(many / few, 3),
        "shift.redis_bytes": round(each),
        "shift.worker_mb_10k": round((big - small) / MANY * 10_000, 1),
    }


def _cpu(ours: Bench, config: Config, rotating: Path) -> float:
    """µs for each request, the median of some runs."""
    with _others(config):
        found = [
            wrk(ours.url, ours.process.pid, connections=16, seconds=SECONDS, script=rotating) for _ in range(ROUNDS)
        ]
    if failed := sum(one.errors for one in found):
        raise RuntimeError(f"{failed} requests failed")
    return statistics.median(one.cpu_us for one in found)


def _warm(ours: Bench, rotating: Path, shifts: int) -> None:
    """Every shift's first request logs on at the system: that is not what is measured."""
    for _ in range(10 + shifts // 100):
        wrk(ours.url, ours.process.pid, connections=16, seconds=4, script=rotating)
        if ours.figure('lanyard_upstream_log_ons_total{outcome="ok",system="pas"}') >= shifts + FEW:
            return
    raise RuntimeError("not every shift could log on at the system")


@contextlib.contextmanager
def _others(config: Config) -> Iterator[None]:
    """People sign on elsewhere meanwhile."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_sign_on(config, over)), name="elsewhere")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _sign_on(config: Config, over: threading.Event) -> None:
    store = open_store(config, seal_of(config), beside=True)
    sessions, number = Sessions(store, time.time, longest=config.shift.longest), 10_000_000
    while not over.is_set():
        number += 1
        await seat_one(sessions, config, number)
        await asyncio.sleep(1 / _OTHERS_A_SECOND)  # the pace, not a wait
    await store.close()


def _worker_mb(ours: Bench) -> float:
    """Of the process that serves: the largest of the parent's."""
    children = Path(f"/proc/{ours.process.pid}/task/{ours.process.pid}/children").read_text().split()
    sizes = []
    for child in children:
        said = Path(f"/proc/{child}/status").read_text().partition("VmRSS:")[2].split(None, 1)[0]
        sizes.append(int(said) / 1024)
    return max(sizes)
