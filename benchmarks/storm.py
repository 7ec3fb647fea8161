"""The change of shifts: three thousand sign-ons in five minutes, most of them at once, while others go on working.

Two workers over Redis and PostgreSQL; and the same storm at Apache with mod_auth_openidc, which keeps its sessions in its own memory.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from demo.ports import free_port

from .desk import Desk
from .gateway import Place, lanyard
from .looks import Looks
from .measure import cpu_seconds
from .pace import Waits, drawn, paced
from .peers import apache
from .provider import asked, stub_provider
from .stores import stores

SECONDS = float(os.environ.get("BENCH_STORM", "20"))
AT_WORK = 200  # clinicians who were signed on before
LOOKS_A_SECOND = 300.0
# Of five minutes: 50 a second for ten seconds, 25 for fifty more, and the rest comes one by one; ten a second in all.
_SHAPE = ((1 / 30, 50.0), (1 / 6, 25.0), (0.8, 1250 / 240))
_BEFORE = 0.2  # of the time, in which nobody signs on: what work is like without

Step = Callable[[int], Awaitable[object]]


class Found(NamedTuple):
    sign_ons: Waits
    looks: Waits
    calls: float  # to the provider, of each sign-on
    cpu_ms: float  # of the gateway, a second


def measure(folder: Path, to: int) -> dict[str, float]:
    """The figures, by name. `to`: the upstream's port."""
    with stub_provider() as issuer:
        return {**_ours(folder, to, issuer), **_peers(folder, to, issuer)}


def _ours(folder: Path, to: int, issuer: str) -> dict[str, float]:
    with (
        stores(folder) as kept,
        lanyard(folder, to, Place(issuer, "storm", AT_WORK, workers=2, stores=kept)) as ours,
    ):
        work = Looks(ours.port, ours.host, ours.cookies)

        async def sign_on(number: int) -> None:
            await _sign_on(Desk(ours.port, ours.public_url, issuer, {}), f"storm{number}", "/sign-on/start")

        found = asyncio.run(_storm(sign_on, work.look, issuer, ours.process.pid))
    return {
        **_told("storm.", found),
        "storm.provider_calls": round(found.calls, 3),
    }


def _peers(folder: Path, to: int, issuer: str) -> dict[str, float]:
    port = free_port()
    with apache(folder, to, issuer, port, client="bench") as running:
        url = f"http://127.0.0.1:{port}"

        def desk() -> Desk:
            return Desk(port, url, issuer, {}, "/oidc/callback")

        async def sign_on(number: int) -> None:
            await _sign_on(desk(), f"storm{number}", "/x")

        async def all_of_it() -> Found:
            desks = [desk() for _ in range(16)]
            free = asyncio.Queue[Desk]()
            for number, one in enumerate(desks):
                await one.follow(await one.sign_on(f"work{number}", "/x"))
                free.put_nowait(one)

            async def look(number: int) -> None:
                one = await free.get()
                try:
                    if (got := await one.ask("GET", "/x")).status != 200:
                        raise RuntimeError(f"a look answered {got.status}")
                finally:
                    free.put_nowait(one)

            return await _storm(sign_on, look, issuer, running.pid)

        return _told("storm.peer_", asyncio.run(all_of_it()))


async def _sign_on(desk: Desk, subject: str, start: str) -> None:
    """To the page at the end."""
    try:
        await desk.follow(await desk.sign_on(subject, start))
    finally:
        await desk.close()


async def _storm(sign_on: Step, look: Step, issuer: str, pid: int) -> Found:
    chance = random.Random(7)
    await paced([n / 50 for n in range(AT_WORK)], look)  # whoever works has logged on at the system
    before = SECONDS * _BEFORE
    arrivals = [before + at for at in drawn([(SECONDS * part, rate) for part, rate in _SHAPE], chance)]
    calls, cpu = await asyncio.to_thread(asked, issuer), cpu_seconds(pid)
    looks_due = drawn([(before + SECONDS, LOOKS_A_SECOND)], chance)
    sign_ons, looks = await asyncio.gather(paced(arrivals, sign_on), paced(looks_due, look))
    used = cpu_seconds(pid) - cpu
    calls = await asyncio.to_thread(asked, issuer) - calls
    return Found(sign_ons, looks, calls / len(arrivals), used / (before + SECONDS) * 1e3)


def _told(prefix: str, found: Found) -> dict[str, float]:
    before = SECONDS * _BEFORE
    said = {
        "failures": found.sign_ons.failures + found.looks.failures,
        "sign_ons": len(found.sign_ons.took),
        "signon_p50_ms": found.sign_ons.ms(50),
        "signon_p95_ms": found.sign_ons.ms(95),
        "signon_p99_ms": found.sign_ons.ms(99),
        "brokered_p95_ms": found.looks.ms(95, before),
        "brokered_before_p95_ms": found.looks.ms(95, 0.0, before),
        "cpu_ms_per_s": found.cpu_ms,
    }
    _say(prefix, (found.sign_ons, found.looks))
    return {prefix + name: round(value, 1) for name, value in said.items()}


def _say(prefix: str, waits: Sequence[Waits]) -> None:
    for what, times in sum((one.failed for one in waits), start=type(waits[0].failed)()).most_common(5):
        print(f"· {prefix}: {times} × {what}", flush=True)
