"""What many live shifts cost: CPU for each request with few and with many, memory of a worker, and memory of Redis.

Two gateways, each over stores of its own, are asked in turn: one has few, the other many. At both somebody else, the product's own
rooms in this process, signs people on all the while, as in life: what a worker has in its cache it has to hold against what others write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config, load
from gateway.keys import seal_of
from gateway.sessions import Sessions
from gateway.stores.opening import open_store

from . import beside
from .crowd import Crowd
from .gateway import Bench, Place, lanyard
from .measure import Figures
from .measure import load as wrk
from .seats import script, seat_one
from .stores import Stores, stores

MANY = int(os.environ.get("BENCH_SHIFTS", "10000"))
FEW, ROUNDS, SECONDS = 100, 5, 4
_OTHERS_A_SECOND = 10


@dataclass(frozen=True)
class Ward:
    """A gateway, and what it stands on."""

    ours: Bench
    kept: Stores
    config: Config

    def load(self, rotating: Path, seconds: int) -> Figures:
        return wrk(self.ours.url, self.ours.process.pid, connections=16, seconds=seconds, script=rotating)

    def look(self, rotating: Path) -> Figures:
        """Raises RuntimeError where one failed."""
        found = self.load(rotating, SECONDS)
        if found.errors:
            raise RuntimeError(f"{found.errors} requests failed")
        return found


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port."""
    with _ward(folder, to, "few") as few, _ward(folder, to, "many") as many:
        small, empty = _worker_mb(many.ours), many.kept.redis_bytes()
        crowd = Crowd(many.config, many.ours.host)
        crowd.seat(MANY, first=FEW)
        each = (many.kept.redis_bytes() - empty) / MANY
        print(f"· shifts: {MANY:,} are seated", flush=True)
        crowd.log_on("pas")
        _warm(many, folder, crowd.cookies)
        rotating = script(folder, crowd.cookies, many.ours.host)
        big = _worker_mb(many.ours)
        print("· shifts: each of them is known to the worker", flush=True)
        with _others(few.config), _others(many.config):
            rounds = [(few.look(few.ours.script), many.look(rotating)) for _ in range(ROUNDS)]
    cpu = [statistics.median(one.cpu_us for one in side) for side in zip(*rounds, strict=True)]
    return {
        "shifts.live": MANY,
        "shifts.few_cpu_us": round(cpu[0], 1),
        "shifts.many_cpu_us": round(cpu[1], 1),
        "shifts100k.cpu_ratio": round(statistics.median(of.cpu_us / to.cpu_us for to, of in rounds), 3),
        "shift.redis_bytes": round(each),
        "shift.worker_mb_10k": round((big - small) / MANY * 10_000, 1),
    }


@contextlib.contextmanager
def _ward(folder: Path, to: int, name: str) -> Iterator[Ward]:
    """With a few shifts that have all been served."""
    own = folder / f"stores-{name}"
    own.mkdir()
    with stores(own) as kept, lanyard(folder, to, Place(name=name, shifts=FEW, stores=kept)) as ours:
        beside.warm(ours, FEW)
        yield Ward(ours, kept, load(ours.config, {}))


def _warm(ward: Ward, folder: Path, cookies: list[str]) -> None:
    """Some at a time, as many as a few seconds are enough for: each is read from the stores once, which is not what is measured."""
    begin, some = 0, 500
    while begin < len(cookies):
        part = cookies[begin : begin + some]
        served = ward.load(script(folder, part, ward.ours.host), SECONDS).requests
        if served > len(part):
            begin += len(part)
        some = max(100, served * 4 // 5)


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
