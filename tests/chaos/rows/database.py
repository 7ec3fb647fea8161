"""PostgreSQL away, slow, and away together with a full disk; Redis holds the shifts meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from tests.counterparts.small_disk import fill

from ..load import Load
from ..opening import stage
from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, until
from .disk import ENDS, RESERVE

_ALARM = 'lanyard_alarm{control="central-journal"}'


def away(folder: Path, dose: Dose) -> Outcome:
    """It is killed, and comes back."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="redis", build=dose.build or "nothing") as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            time.sleep(1)  # good ones before
            here.database.kill()
            killed = time.time()
            until(lambda: here.alarmed("central-journal"), what="the alarm")
            alarm = time.time() - killed
            time.sleep(dose.seconds)
            here.database.begin()
            back = time.time()
            until(lambda: not here.alarmed("central-journal"), what="the end of the alarm")
        outcome = judge(here, load)
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
        outcome.within("seconds to the alarm", alarm, 10.0)
        outcome.within("seconds until the central journal has everything", time.time() - back, 30.0)
        outcome.figures["events in both"] = here.central()[0]
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


def slow(folder: Path, dose: Dose) -> Outcome:
    """Somebody locks the central journal's table."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="redis", build=dose.build or "nothing") as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)  # good ones before
            begun = time.time()
            with here.database.connect() as c:
                c.autocommit = False
                c.execute("LOCK TABLE journal.event IN ACCESS EXCLUSIVE MODE")
                time.sleep(dose.seconds * 2)
                c.rollback()
            ended = time.time()
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
        added = load.slowest(begun, ended) - load.slowest(begun - dose.seconds, begun)
        outcome.within("added to the slowest of a hundred, in ms", max(added, 0) * 1000, 50.0)
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


def both(folder: Path, dose: Dose) -> Outcome:
    """The disk is full and the database away: nothing can be written down anywhere."""
    with stage(
        folder, clinicians=dose.clinicians, stores="redis", disk="32m", audit=RESERVE, build=dose.build or "nothing"
    ) as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            here.database.kill()
            filler = fill(here.gateway.folder / "data")
            until(lambda: here.gateway.ready()[1]["journal"] in ENDS, 120, "the end of the reserve")
            time.sleep(dose.seconds)  # what is asked now must be refused
            asked, health = len(here.records.asked), here.gateway.ready()[1]
            time.sleep(dose.seconds)
            quiet = len(here.records.asked) - asked
            filler.unlink()
            here.database.begin()
            free = time.time()
            until(lambda: gap(load, free) < float("inf"), what="an answer")
        outcome = _judged(here, load)
        outcome.within("seconds to serve again", gap(load, free), 5.0)
        outcome.must(quiet == 0, f"{quiet} records were asked for while nothing could be written")
        outcome.must(health["journal"] in ENDS, f"the operators are told {health['journal']}")
    return outcome


def _judged(here: Stage, load: Load) -> Outcome:
    outcome = judge(here, load)
    refused = [look for look in load.looks if look.status == 503]
    outcome.within("longest wait for a refusal in seconds", max((look.took for look in refused), default=99.0), 1.0)
    outcome.must(set(load.statuses()) <= {200, 201, 503}, f"answers with {sorted(load.statuses())}")
    return outcome


F06 = Row(
    "F06",
    "PostgreSQL is away",
    "0 requests fail, since the local segment is the truth; alarm within 10 s; after its return every event is there once, none is missing",
    "nothing",
    "a shipper that sends again what was taken, or forgets what was not, makes the two counts differ",
    away,
    Dose(rate=80, seconds=1, clinicians=6),
    Dose(rate=200, seconds=900),
)
F07 = Row(
    "F07",
    "PostgreSQL is slow: the central journal's table is locked",
    "0 requests fail; at most 50 ms are added to the slowest of a hundred; after it every event is there once",
    "nothing",
    '`audit.ack = "local+central"`, which waits for it',
    slow,
    Dose(rate=80, seconds=1.5, clinicians=6),
    Dose(rate=200, seconds=60),
)
F08 = Row(
    "F08",
    "the disk is full and PostgreSQL is away",
    "503 within 1 s, 0 records asked for, `/readyz` says so; serves again within 5 s of their return, without a restart",
    "a page that says why, with the telephone number of the system's helpdesk",
    "the build `deaf`, which lets through what the journal refuses",
    both,
    Dose(rate=150, seconds=0.5, clinicians=6),
    Dose(rate=200, seconds=60),
)
ROWS = (F06, F07, F08)
