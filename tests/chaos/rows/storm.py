"""The change of shifts: everybody signs on within a few minutes, while others work."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.desk import Desk

from ..opening import stage
from ..provider import asked
from ..row import Dose, Outcome, Row, judge
from ..stage import Stage

_RATES = ((10.0, 50.0), (60.0, 25.0), (300.0, 10.0))  # until which second, how many sign-ons a second


def changed_shifts(folder: Path, dose: Dose) -> Outcome:
    """`dose.times` sign-ons, fifty a second at first."""
    with stage(
        folder,
        gateways=2,
        clinicians=dose.clinicians,
        stores="postgres",
        build=dose.build,
        gateway={"workers": 2},
    ) as here:
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)  # as it is before
            begun, questions = time.time(), asked(here.issuer)["asked"]
            took, failed = here.loop.do(_storm(here, dose.times), 600)
            ended, questions = time.time(), asked(here.issuer)["asked"] - questions
        outcome = judge(here, load)
        outcome.requests += dose.times
        outcome.figures |= {"sign-ons": dose.times, "failed sign-ons": failed}
        took.sort()
        outcome.within("p95 of a sign-on in seconds", took[len(took) * 95 // 100], 1.5)
        outcome.within("p99 of a sign-on in seconds", took[len(took) * 99 // 100], 3.0)
        outcome.within("questions to the provider for each sign-on", questions / dose.times, 1.05)
        outcome.alone(
            "p99 from an entry's time to the system's being asked, in ms", _written_in(here, begun, ended) * 1e3, 50.0
        )
        before, during = (load.slowest(*span, share=0.95) for span in ((0.0, begun), (begun, ended)))
        outcome.figures |= {"p95 at work before, ms": round(before * 1e3, 1), "and meanwhile": round(during * 1e3, 1)}
        outcome.must(failed == 0, f"{failed} sign-ons failed")
        outcome.must(not here.records.log_ons, "old systems were logged on to before anybody opened them")
    return outcome


def _written_in(here: Stage, begun: float, ended: float) -> float:
    """How long an entry takes to be durable, of a hundred the slowest; with the way to the system, and the system's own waiting."""
    took = [here.records.asked_at[mark] - entry.at for mark, entry in here.intents().items()
            if begun <= entry.at < ended and mark in here.records.asked_at]  # fmt: skip
    return sorted(took)[len(took) * 99 // 100] if took else float("inf")


async def _storm(here: Stage, many: int) -> tuple[list[float], int]:
    """How long each took, and how many failed."""
    took: list[float] = []
    failed = 0

    async def one(number: int) -> None:
        nonlocal failed
        desk, begun = Desk(here.balancer.port, here.url, here.issuer, {}), time.monotonic()
        try:
            await desk.follow(await desk.sign_on(f"storm-{number}"))
        except (OSError, RuntimeError, KeyError, asyncio.IncompleteReadError):
            failed += 1
        took.append(time.monotonic() - begun)
        await desk.close()

    begun, begun_ones = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while begun_ones < many:
            for _ in range(min(_due(time.monotonic() - begun), many) - begun_ones):
                group.create_task(one(begun_ones))
                begun_ones += 1
            await asyncio.sleep(0.01)  # the pace, not a wait
    return took, failed


def _due(passed: float) -> int:
    """How many are to have begun by then."""
    due, since = 0.0, 0.0
    for until, rate in _RATES:
        due += max(min(passed, until) - since, 0.0) * rate
        since = until
    return int(due)


F23 = Row(
    "F23",
    "the change of shifts: 3,000 sign-ons in five minutes, 50 a second at first",
    "0 sign-ons fail, p95 1.5 s and p99 3 s, at most 1.05 questions to the provider for each, an entry in the journal takes 50 ms at "
    "most (p99), 0 log-ons at old systems before somebody opens them",
    "nothing",
    "with one gateway of one worker stopped, sign-ons wait for longer than promised",
    changed_shifts,
    None,
    Dose(times=3000, rate=50, seconds=20),
)
ROWS = (F23,)
