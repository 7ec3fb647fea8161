"""PostgreSQL where it alone holds the shifts, without a Redis: dead, standing still, slow and full."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.counterparts.small_disk import fill

from ..opening import stage
from ..progress import strikes, wait
from ..row import Dose, Outcome, Row, judge
from ..stage import Stage, until
from .redis import away, judge_refusals

_ROOM = "192m"  # of PostgreSQL's disk
_BACK = 3.0  # seconds: the try that was under way when it came back may wait for two of them
_NEWCOMERS = 20


def gone(folder: Path, dose: Dose) -> Outcome:
    """All its processes are killed, and it recovers what it had committed; it stands still; its answers are two seconds late."""
    with (
        stage(folder, gateways=2, clinicians=dose.clinicians, stores="postgres", build=dose.build) as here,
        here.load(dose.rate) as load,
    ):
        assert here.database is not None
        times = []
        for _ in strikes(dose.times):
            times.append(away(here, load, dose, here.database.kill, here.database.begin))
            times.append(away(here, load, dose, here.database.stand_still, here.database.go_on))
            times.append(away(here, load, dose, _late(here, 2.0), _late(here, 0.0)))
        load.end()
        here.settle(load)
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
        outcome = judge_refusals(here, load, times, back=_BACK)
        outcome.figures["events in both journals"] = here.central()[0]
    return outcome


def _late(here: Stage, seconds: float) -> Callable[[], None]:
    return lambda: setattr(here.links["database"], "delay", seconds)


def full(folder: Path, dose: Dose) -> Outcome:
    """Its disk has no room left: what it holds can be read, and nothing can be added."""
    with stage(
        folder,
        gateways=2,
        clinicians=dose.clinicians,
        stores="postgres",
        build=dose.build,
        database_disk=_ROOM,
    ) as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)  # good ones before
            filler = fill(here.database.data)
            until(lambda: here.newcomer() == 503, what="a newcomer who is refused")
            until(lambda: here.alarmed("central-journal"), what="the alarm")
            newcomers = [here.newcomer() for _ in range(_NEWCOMERS)]
            wait(dose.seconds)
            filler.unlink()
            free = time.time()
            until(lambda: here.newcomer() == 200, what="a newcomer who is let in")
            back = time.time() - free
            until(lambda: not here.alarmed("central-journal"), what="the end of the alarm")
        outcome = judge(here, load)
        outcome.within("seconds until somebody can sign on after there is room", back, 5.0)
        outcome.figures["of 20 newcomers refused"] = newcomers.count(503)
        outcome.must(set(newcomers) <= {200, 503}, f"whoever signs on meanwhile is told {newcomers}")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests of those who were there failed")
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
    return outcome


K03 = Row(
    "K03",
    "PostgreSQL, where it alone holds the shifts, is killed with all its processes, stands still, or answers two seconds late",
    "whoever cannot be looked up is told 503 within 1 s, 0 records asked for, 0 sent to sign on again; served within 3 s of its return "
    "without a restart, with every shift from before; every event is in the central journal once",
    "“Your session could not be read”: the page tries again by itself",
    "the limit of 0.8 s for each answer taken out: whoever asks waits for two seconds and more",
    gone,
    Dose(rate=80, seconds=0.5, clinicians=6),
    Dose(times=20, rate=200, seconds=10),
)
K04 = Row(
    "K04",
    "PostgreSQL's disk is full, where it alone holds the shifts",
    "everybody who is signed on works on, alarm; a new sign-on for which there is no room any more is told 503; "
    "served within 5 s of there being room, without a restart",
    "for a newcomer: a page that says that the store does not answer",
    "a store that takes refused writes for a dead server refuses everybody (`tests/gateway/stores/test_postgres.py`)",
    full,
    Dose(rate=80, seconds=1, clinicians=6),
    Dose(rate=200, seconds=60),
)
ROWS = (K03, K04)
