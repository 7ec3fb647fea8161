"""Two gateways that want the same at the same moment, and clients that go away while their answer is on its way."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.desk import Desk

from .. import old
from ..load import Load, Look, Wire
from ..opening import stage
from ..provider import asked, slow
from ..row import Dose, Outcome, Row, judge
from ..stage import Stage, until

_AT_ONCE = 25  # at each gateway


def one_log_on(folder: Path, dose: Dose) -> Outcome:
    """Fifty first requests of one clinician to an old system, at both gateways; and fifty of one whose word it does not take."""
    with stage(folder, gateways=2, clinicians=1, stores="postgres", build=dose.build or "nothing") as here:
        outcome, most = Outcome(), 0
        for turn in range(dose.times):
            statuses = here.loop.do(_first_requests(here, f"nurse-{turn + 1}"))
            outcome.requests += len(statuses)
            outcome.failed += sum(status != 200 for status in statuses)
            most = max(most, here.records.log_ons[f"u{turn + 1}"])
        here.loop.do(_first_requests(here, old.WRONG))
        outcome.figures["log-ons for each clinician"] = most
        outcome.must(most == 1, f"{most} log-ons of one clinician")
        outcome.figures["tries with a word that is not taken"] = here.records.log_ons[old.WRONG]
        outcome.must(here.records.log_ons[old.WRONG] <= 2, "the old system would have locked the account")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


async def _first_requests(here: Stage, who: str) -> list[int]:
    desk = Desk(here.balancer.port, here.url, here.issuer, {})
    await desk.follow(await desk.sign_on(who))
    url = here.gateway.system_url("pas")
    host = urlsplit(url).netloc
    got = await desk.ask("GET", f"{url}{old.PATIENT}")
    while "__Host-lanyard" not in desk._cookies.get(host, {}):
        got = await desk.ask("GET", got.location)  # up to the cookie, and not to the page
    await desk.close()
    cookie = "; ".join(f"{name}={value}" for name, value in desk._cookies[host].items())
    head = (
        f"GET {old.PATIENT} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\naccept: text/html\r\nsec-fetch-site: same-origin\r\n"
        "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nuser-agent: Mozilla/5.0 (X11)\r\n\r\n"
    ).encode()
    wires = [Wire(place.port) for place in here.gateways for _ in range(_AT_ONCE)]
    answers = await asyncio.gather(*(wire.ask(head, 30) for wire in wires))
    for wire in wires:
        wire.close()
    return [status for status, _ in answers]


def one_refresh(folder: Path, dose: Dose) -> Outcome:
    """Everybody's claims are due, both gateways see it at once, and the provider takes longer than a lease lasts."""
    recheck = 6
    with stage(
        folder,
        gateways=2,
        clinicians=1,
        stores="postgres",
        build=dose.build or "nothing",
        sso={"recheck": f"{recheck}s"},
    ) as here:
        outcome = Outcome()
        for _ in range(dose.times):
            slow(here.issuer, dose.seconds)
            before = asked(here.issuer).get("refresh_token", 0)
            time.sleep(recheck)  # the claims grow old
            begun = time.monotonic()
            looks = here.loop.do(_together(here))
            until(lambda before=before: asked(here.issuer).get("refresh_token", 0) > before, what="the refresh")
            while time.monotonic() - begun < dose.seconds + 1:
                looks += here.loop.do(_together(here))
            outcome.requests += len(looks)
            outcome.failed += sum(not look.right for look in looks)
            told = asked(here.issuer).get("refresh_token", 0) - before
            outcome.must(told == 1, f"{told} calls to the provider for one refresh")
        slow(here.issuer, 0)
        outcome.shifts_lost = here.shifts_lost()
        outcome.must(outcome.shifts_lost == 0, "a clinician has to sign on again")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


async def _together(here: Stage) -> list[Look]:
    load, looks = Load(0, here.system, here.cookies, 0), []
    wires = [Wire(place.port) for place in here.gateways for _ in range(_AT_ONCE)]

    async def one(number: int, wire: Wire) -> None:
        mark = f"together-{random.random()}-{number}"
        look = Look(0, f"/Patient/{mark}", mark, False, time.time())
        look.status, look.body = await wire.ask(load.request(look))
        looks.append(look)
        wire.close()

    await asyncio.gather(*(one(number, wire) for number, wire in enumerate(wires)))
    return looks


def leaving(folder: Path, dose: Dose) -> Outcome:
    """Clients go away at random within six milliseconds of asking, while Redis, PostgreSQL and the system take some of those."""
    with stage(folder, clinicians=dose.clinicians, stores="redis", build=dose.build or "nothing") as here:
        for link in here.links.values():
            link.delay = 0.002
        here.records.delay = 0.002
        with here.load(dose.rate) as load:
            gone = here.loop.do(_leave(here, dose, bad=False), dose.seconds + 60)
        seen = here.loop.do(_leave(here, Dose(rate=dose.rate, seconds=1), bad=True))
        for link in here.links.values():
            link.delay = 0.0
        outcome = judge(here, load, gone)
        went = sum(look.status == 0 for look in gone.looks)
        wrong = sum(look.wrong for look in seen.looks)
        outcome.figures |= {"went away": went, "wrong answers at a client that is known to be bad": wrong}
        outcome.must(went > dose.seconds, "nobody went away")
        outcome.must(wrong > 0, "the harness does not see what a bad client does")
        outcome.must(all(look.right for look in load.looks), "somebody who waited was not answered")
    return outcome


async def _leave(here: Stage, dose: Dose, *, bad: bool) -> Load:
    """Some at a time, each for a patient of its own."""
    made = Load(here.balancer.port, here.system, here.cookies, 0)
    until_, chance = time.monotonic() + dose.seconds, random.Random(12)

    async def one(number: int) -> None:
        wire, turn = Wire(here.balancer.port, bad=bad), 0
        while time.monotonic() < until_:
            mark = f"left-{'bad' if bad else 'good'}-{number}-{turn}"
            turn += 1
            look = Look(turn % len(here.cookies), f"/Patient/{mark}", mark, False, time.time())
            wait = chance.random() * (0.006 if turn % 4 else 0.1)  # now and then one stays for the answer
            look.status, look.body = await wire.ask(made.request(look), wait)
            look.came = time.time()
            made.looks.append(look)
        wire.close()

    await asyncio.gather(*(one(number) for number in range(8)))
    return made


F12 = Row(
    "F12",
    "clients go away while an answer of Redis, PostgreSQL or a system is on its way",
    "0 answers to somebody else's question; whoever waits is answered",
    "nothing",
    "a client that uses its connection again sees others' answers, in the row itself",
    leaving,
    Dose(rate=50, seconds=4, clinicians=6),
    Dose(rate=100, seconds=1800, clinicians=20),
)
F21 = Row(
    "F21",
    "two gateways find at once that a clinician's claims are due, and the provider takes longer than a lease lasts",
    "exactly 1 call to the provider, 0 shifts lost, nobody waits for it",
    "nothing",
    "the build `rivals`, whose gateways take no lease: both ask",
    one_refresh,
    Dose(times=1, seconds=4),
    Dose(times=20, seconds=8),
)
F22 = Row(
    "F22",
    "fifty first requests of one clinician to an old system, at two gateways",
    "1 log-on there for each clinician; a word that is not taken is tried twice at most, so that no account is locked",
    "a page that is a moment late",
    "the build `rivals`, whose gateways take no lease: both log on",
    one_log_on,
    Dose(times=3),
    Dose(times=100),
)
ROWS = (F12, F21, F22)
