"""Two gateways that want the same at the same moment."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.desk import Desk

from .. import old
from ..load import Load, Look, Wire, navigation
from ..opening import stage
from ..progress import strikes
from ..provider import asked, slow
from ..row import Dose, Outcome, Row, judge
from ..stage import Stage, until

_AT_ONCE = 25  # at each gateway


def one_log_on(folder: Path, dose: Dose) -> Outcome:
    """Fifty first requests of one clinician to an old system, at both gateways; and fifty of one whose word it does not take."""
    with stage(folder, gateways=2, clinicians=1, stores="postgres", build=dose.build) as here:
        outcome, most = Outcome(), 0
        for turn in strikes(dose.times):
            answers = here.loop.do(_first_requests(here, f"nurse-{turn + 1}"))
            outcome.requests += len(answers)
            outcome.failed += sum(status != 200 for status, _ in answers)
            outcome.wrong += sum(status == 200 and b"for u%d<" % (turn + 1) not in page for status, page in answers)
            most = max(most, here.records.log_ons[f"u{turn + 1}"])
        here.loop.do(_first_requests(here, old.WRONG))
        outcome.figures["log-ons for each clinician"] = most
        outcome.must(most == 1, f"{most} log-ons of one clinician")
        outcome.figures["tries with a word that is not taken"] = here.records.log_ons[old.WRONG]
        outcome.must(here.records.log_ons[old.WRONG] <= 2, "the old system would have locked the account")
        outcome.seen["the page"] = outcome.requests - outcome.failed
        outcome.shifts_lost = here.shifts_lost()
        entries = sum(event["system"] == "pas" for event in here.events("access.intent"))
        outcome.unaudited = max(0, outcome.requests - outcome.failed - entries)
        outcome.must(outcome.unaudited == 0, f"{outcome.unaudited} pages without an entry in a journal")
        outcome.must(outcome.wrong == 0, f"{outcome.wrong} pages of somebody else's")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


async def _first_requests(here: Stage, who: str) -> list[tuple[int, bytes]]:
    desk = Desk(here.balancer.port, here.url, here.issuer, {})
    await desk.follow(await desk.sign_on(who))
    url = here.gateway.system_url("pas")
    host = urlsplit(url).netloc
    got = await desk.ask("GET", f"{url}{old.PATIENT}")
    while "__Host-lanyard" not in desk._cookies.get(host, {}):
        got = await desk.ask("GET", got.location)  # up to the cookie, and not to the page
    await desk.close()
    cookie = "; ".join(f"{name}={value}" for name, value in desk._cookies[host].items())
    head = navigation(host, old.PATIENT, cookie)
    wires = [Wire(place.port) for place in here.gateways for _ in range(_AT_ONCE)]
    answers = await asyncio.gather(*(wire.ask(head, 30) for wire in wires))
    for wire in wires:
        wire.close()
    return answers


def one_refresh(folder: Path, dose: Dose) -> Outcome:
    """Everybody's claims are due, both gateways see it at once, and the provider takes longer than a lease lasts."""
    recheck = 6
    with stage(
        folder,
        gateways=2,
        clinicians=1,
        stores="postgres",
        build=dose.build,
        sso={"recheck": f"{recheck}s"},
    ) as here:
        calls, load = [], Load(0, here.system, here.cookies, 0)
        for _ in strikes(dose.times):
            slow(here.issuer, dose.seconds)
            before = asked(here.issuer).get("refresh_token", 0)
            time.sleep(recheck)  # the claims grow old
            begun = time.monotonic()
            until(lambda before=before: _asks_for_more(here, load, before), what="the refresh")
            while time.monotonic() - begun < dose.seconds + 1:
                here.loop.do(_together(here, load))
            calls.append(asked(here.issuer).get("refresh_token", 0) - before)
        slow(here.issuer, 0)
        outcome = judge(here, load)
        outcome.figures["refreshes"] = dose.times
        outcome.figures["leases lost"] = sum(one.log().count("a lease was lost") for one in here.gateways)
        outcome.must(set(calls) == {1}, f"calls to the provider for each refresh: {calls}")
        outcome.within("longest wait in seconds", max(look.took for look in load.looks), 1.0)
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


def _asks_for_more(here: Stage, load: Load, before: int) -> bool:
    """Whether the provider has been asked for another refresh. Somebody goes on asking: the last one may have come late."""
    here.loop.do(_together(here, load))
    return asked(here.issuer).get("refresh_token", 0) > before


async def _together(here: Stage, load: Load) -> None:
    wires = [Wire(place.port) for place in here.gateways for _ in range(_AT_ONCE)]

    async def one(wire: Wire) -> None:
        mark = f"together-{len(load.looks)}-{random.random()}"
        look = Look(0, f"/Patient/{mark}", mark, False, time.time())
        load.looks.append(look)
        look.status, look.body = await wire.ask(load.request(look))
        look.came = time.time()
        wire.close()

    await asyncio.gather(*(one(wire) for wire in wires))


F21 = Row(
    "F21",
    "two gateways find at once that a clinician's claims are due, and the provider takes longer than a lease lasts",
    "exactly 1 call to the provider, 0 shifts lost, nobody waits for it",
    "nothing",
    "the build `rivals`, whose gateways take no lease: both ask",
    one_refresh,
    Dose(times=1, seconds=4),
    Dose(times=20, seconds=7),  # longer than a lease (5 s), and in time for whoever asks the provider (8 s)
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
ROWS = (F21, F22)
