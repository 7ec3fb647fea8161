"""Gateways that are killed, and gateways that are stopped in good order."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.journey.hospital import Hospital

from ..opening import stage
from ..progress import strikes
from ..row import Dose, Outcome, Row, failing, gap, judge
from ..stage import Stage, until
from ..volume import left_behind

_REPLAY = 30.0  # seconds for a million events
_SHARE = 0.01  # of requests may fail where another replica serves


def killed_whole(folder: Path, dose: Dose) -> Outcome:
    """`kill -9` of the only gateway, again and again, and a start."""
    chance, gaps = random.Random(2), []
    with stage(folder, clinicians=dose.clinicians, build=dose.build) as here:
        with here.load(dose.rate) as load:
            for _ in strikes(dose.times):
                time.sleep(dose.seconds * chance.random())  # a moment by chance is the fault
                _kill(here)
                here.gateway.start()
                back = time.time()
                until(lambda since=back: gap(load, since) < float("inf"))
                gaps.append(gap(load, back))
        outcome = judge(here, load)
        recovered = here.events("audit.recovered")
        outcome.figures |= {"kills": dose.times, "torn tails": sum(e.get("bytes", 0) > 0 for e in recovered)}
        outcome.must(len(recovered) == dose.times, f"{len(recovered)} recoveries in the journal of {dose.times}")
        outcome.within("seconds to serve again after the start", max(gaps), 2.0)
        if dose.events:
            _begun_beside_many(folder, dose.events, outcome)
        outcome.must(set(load.statuses()) <= {0, 200, 201, 502}, f"answers with {sorted(load.statuses())}")
    return outcome


def _begun_beside_many(folder: Path, events: int, outcome: Outcome) -> None:
    """What a start costs where the killed gateway has left a big journal, and until everything in it is found."""
    place = folder / "big"
    place.mkdir()
    with stage(place, clinicians=0, audit={"reserve": "256MiB", "segment": "64MiB"}) as here:
        here.gateway.stop()
        left_behind(here.gateway, events)
        begun = time.monotonic()
        here.gateway.start()
        started = time.monotonic() - begun
        found = here.gateway.lanyard("audit", "search", "--limit=1", within=600)
        outcome.figures |= {
            "events in a big journal": events,
            "seconds to find all of them": round(time.monotonic() - begun, 1),
        }
        outcome.within("seconds to start beside them", started, max(_REPLAY * events / 1e6, 10.0))
        outcome.must(found.returncode == 0, "a big journal could not be searched")


def _kill(here: Stage) -> None:
    here.gateway.stop(signal.SIGKILL)


def killed_workers(folder: Path, dose: Dose) -> Outcome:
    """`kill -9` of one worker by chance, again and again, where two gateways with two workers each serve."""
    chance, struck, gone = random.Random(1), [], dict[str, int]()
    with stage(
        folder, gateways=2, clinicians=dose.clinicians, stores="postgres", build=dose.build, gateway={"workers": 2}
    ) as here:
        with here.load(dose.rate) as load:
            for turn in strikes(dose.times):
                place = here.gateways[turn % 2]
                until(lambda place=place: _replaced(place, gone.get(place.folder.name, 0)), what="another worker")
                time.sleep(dose.seconds)  # the others serve meanwhile
                gone[place.folder.name] = chance.choice(sorted(place.workers.values()))
                struck.append(time.time())
                os.kill(gone[place.folder.name], signal.SIGKILL)
            for place in here.gateways:
                until(lambda place=place: _replaced(place, gone[place.folder.name]), what="another worker")
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        outcome.figures["kills"] = dose.times
        outcome.within("share of requests that failed", outcome.failed / max(outcome.requests, 1), _SHARE)
        outcome.within("seconds in which requests fail", failing(load, struck), 2.0)
        outcome.must(set(load.statuses()) <= {0, 200, 201, 502}, f"answers with {sorted(load.statuses())}")
    return outcome


def _replaced(place: Hospital, gone: int) -> bool:
    """Whether both workers serve, and neither is the one that was killed."""
    _, parts = place.ready()
    now = {one.get("pid") for one in parts["workers"].values() if one["ready"]}
    return len(now) == 2 and gone not in now


def rolled(folder: Path, dose: Dose) -> Outcome:
    """SIGTERM to one gateway after the other under load, each started again before the next is stopped."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="postgres", build=dose.build) as here:
        stopping = []
        with here.load(dose.rate) as load:
            for _ in strikes(dose.times):
                for place in here.gateways:
                    time.sleep(dose.seconds)  # both serve
                    begun = time.time()
                    code = place.stop()
                    stopping.append(time.time() - begun)
                    if code:
                        return Outcome(broken=[f"a gateway ended with {code}"])
                    place.start()
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        ended = [len(here.events("gateway.stopped", place)) for place in here.gateways]
        outcome.figures |= {"restarts": dose.times * 2}
        outcome.within("longest stop in seconds", max(stopping), 10.0)
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed: {dict(outcome.seen)}")
        outcome.must(ended == [dose.times] * 2, f"ends in good order in the journals: {ended}")
    return outcome


F02 = Row(
    "F02",
    "`kill -9` of the whole gateway, and a start",
    "0 acknowledged events missing, a torn tail is cut and told, 0 answers without an earlier entry, nobody signs on again, "
    "serves again within 2 s of its start; beside a million events the start itself takes 30 s at most",
    "the balancer's page with a retry, until the start",
    "the build `early`, which acknowledges before it writes",
    killed_whole,
    Dose(times=3, rate=80, seconds=0.8),
    Dose(times=150, rate=200, seconds=2, events=1_000_000),
)
F01 = Row(
    "F01",
    "`kill -9` of a worker, where two gateways with two workers each serve",
    "0 answers without an earlier entry, at most 1 % of requests fail (as 502 or a reset), all within 2 s of the kill, 0 writes twice, "
    "nobody signs on again; another worker takes its place",
    "mostly nothing; at worst the balancer's page with a retry, or the launchpad in place of a system that was just being entered",
    "the build `early`, which acknowledges before it writes",
    killed_workers,
    Dose(times=4, rate=80, seconds=0.5),
    Dose(times=1000, rate=300, seconds=0.5),
)
F28 = Row(
    "F28",
    "a rolling restart: SIGTERM to one gateway after the other under load",
    "0 requests fail, reads and writes; each journal is closed in good order; nobody signs on again",
    "nothing",
    "the build `abrupt`, which ends at once when it is told to",
    rolled,
    Dose(times=1, rate=60, seconds=0.5),
    Dose(times=20, rate=300, seconds=5),
)
ROWS = (F01, F02, F28)
