"""Clients that go away while their answer is on its way."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..load import WAIT, Load, Look, Wire, navigation
from ..opening import stage
from ..progress import tell
from ..row import Dose, Outcome, Row, judge
from ..stage import Stage

_AT_ONCE = 8
_SOON = 0.006  # seconds within which one goes away
_STAYS = 4  # of so many one waits for the answer: so they ask no faster than they are answered
_LATE = 0.002  # seconds for each answer of a store and of the system
_BAD = 300  # that a client which is known to be bad leaves alone


def leaving(folder: Path, dose: Dose) -> Outcome:
    """Half of them where Redis is asked for each page, and half where PostgreSQL is; the system's own answers in both."""
    outcome = Outcome()
    for stores in ("redis", "postgres"):
        place = folder / stores
        place.mkdir()
        outcome.add(_left(place, replace(dose, times=dose.times // 2), stores))
    outcome.figures["went away"] = sum(outcome.figures[f"went away, {stores}"] for stores in ("redis", "postgres"))
    outcome.must(outcome.figures["went away"] >= dose.times // 2 * 2, "too few went away")
    return outcome


def _left(folder: Path, dose: Dose, stores: str) -> Outcome:
    with stage(folder, clinicians=dose.clinicians, stores=stores, build=dose.build) as here:
        for link in here.links.values():
            link.delay = _LATE
        here.records.delay = _LATE
        with here.load(dose.rate) as load:
            gone = here.loop.do(_leave(here, dose.times, bad=False), 7200)
        seen = here.loop.do(_leave(here, _BAD, bad=True))
        for link in here.links.values():
            link.delay = 0.0
        outcome = judge(here, load, gone)
        went = sum(look.status == 0 and look.took < WAIT / 2 for look in gone.looks)
        outcome.figures[f"went away, {stores}"] = went
        outcome.failed -= went
        outcome.seen["(had gone)"] = went
        outcome.seen["no answer"] -= went
        wrong = sum(look.wrong for look in seen.looks)
        outcome.figures["wrong answers at a client that is known to be bad"] = wrong
        outcome.must(wrong > 0, "the harness does not see what a bad client does")
        outcome.must(outcome.failed == 0, f"{outcome.failed} who waited were not answered")
    return outcome


async def _leave(here: Stage, times: int, *, bad: bool) -> Load:
    """Some at a time, until so many have gone away: each second one from a page of ours, which asks the store anew."""
    made, chance, begun, gone = (
        Load(here.balancer.port, here.system, here.cookies, 0),
        random.Random(12),
        time.monotonic(),
        0,
    )
    main = urlsplit(here.url).netloc
    pages = ["; ".join(f"{name}={value}" for name, value in desk._cookies[main].items()) for desk in here.desks]

    async def one(number: int) -> None:
        nonlocal gone
        wire, turn = Wire(here.balancer.port, bad=bad), 0
        while gone < times:
            turn += 1
            look = _look(number, turn, len(here.cookies), bad=bad)
            request = navigation(main, "/", pages[look.clinician]) if look.page else made.request(look)
            leaves = turn % _STAYS > 0
            look.status, look.body = await wire.ask(request, chance.random() * _SOON if leaves else WAIT)
            look.came = time.time()
            made.looks.append(look)
            gone += leaves and look.status == 0
            tell(f"{gone:,} of {times:,} gone", begun)
        wire.close()

    await asyncio.gather(*(one(number) for number in range(_AT_ONCE)))
    return made


def _look(number: int, turn: int, clinicians: int, *, bad: bool) -> Look:
    mark, clinician = f"left-{'bad' if bad else 'good'}-{number}-{turn}", (number + turn // 2) % clinicians
    look = Look(clinician, f"/Patient/{mark}", mark, False, time.time())
    if turn % 2:
        look.page = b"Person nurse-%d<" % clinician
    return look


F12 = Row(
    "F12",
    "clients go away while an answer of Redis, PostgreSQL or a system is on its way",
    "0 answers to somebody else's question; whoever waits is answered",
    "nothing",
    "a client that uses its connection again sees others' answers, in the row itself",
    leaving,
    Dose(times=500, rate=50, clinicians=6),
    Dose(times=100_000, rate=50, clinicians=20),
)
ROWS = (F12,)
