"""PostgreSQL away, slow, and away together with a full disk; Redis holds the shifts meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from tests.counterparts.small_disk import fill

from ..load import Load
from ..opening import stage
from ..progress import wait
from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, until
from .disk import ENDS, RESERVE

_MANY, _A_SECOND = 20_000, 5_000  # events behind, from which on their arriving is a figure; that arrive in a second


def away(folder: Path, dose: Dose) -> Outcome:
    """It is killed, and comes back."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="redis", build=dose.build) as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            time.sleep(1)  # good ones before
            here.database.kill()
            killed = time.time()
            until(lambda: here.alarmed("central-journal"), what="the alarm")
            alarm = time.time() - killed
            wait(dose.seconds)
            written = here.written()
            here.database.begin()
            back = time.time()
            before = here.arrived()
            until(lambda: here.arrived() >= written, 600, "what was written meanwhile")
            caught_up = time.time() - back
            until(lambda: not here.alarmed("central-journal"), what="the end of the alarm")
        outcome = judge(here, load)
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
        outcome.within("seconds to the alarm", alarm, 10.0)
        outcome.figures |= {"events in both": here.central()[0], "of them behind": written - before}
        if written - before > _MANY:
            outcome.at_least("events a second on catching up", (written - before) / caught_up, _A_SECOND)
        else:
            outcome.within("seconds until the central journal has what was written meanwhile", caught_up, 10.0)
        outcome.must(here.out_of_order() == 0, "events came in another order than they were written")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


def slow(folder: Path, dose: Dose) -> Outcome:
    """Somebody locks the central journal's table."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="redis", build=dose.build) as here:
        assert here.database is not None
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)  # good ones before
            begun = time.time()
            with here.database.connect() as c:
                c.autocommit = False
                c.execute("LOCK TABLE journal.event IN ACCESS EXCLUSIVE MODE")
                pool = _most_connections(here, dose.seconds * 2)
                c.rollback()
            ended = time.time()
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        until(lambda: len(set(here.central())) == 1, 60, "all events in the central journal")
        added = load.slowest(begun, ended) - load.slowest(begun - dose.seconds, begun)
        outcome.within("added to the slowest of a hundred, in ms", max(added, 0) * 1000, 50.0)
        outcome.figures |= {
            "most connections of a gateway for its stores": pool.stores,
            "for the journal": pool.journal,
        }
        outcome.within("longest that one waited for the table in seconds", pool.longest, 1.0)
        outcome.must(pool.stores <= 7 and pool.journal <= 1, f"a gateway has more connections than it should: {pool}")
        outcome.must(here.out_of_order() == 0, "events came in another order than they were written")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


class Pool(NamedTuple):
    """The most that were seen at once: connections of one gateway, and seconds for which one of the journal's has waited for a lock."""

    stores: float
    journal: float
    longest: float


def _most_connections(here: Stage, seconds: float) -> Pool:
    """Looked at until so many seconds are over."""
    assert here.database is not None
    pool, ends = Pool(0, 0, 0), time.monotonic() + seconds
    with here.database.connect("postgres") as c:
        while time.monotonic() < ends:
            row = c.execute(_CONNECTIONS).fetchone()
            assert row is not None
            stores, journal, longest = (float(str(one)) for one in row)
            seen = Pool(stores / len(here.gateways), journal / len(here.gateways), longest)
            pool = Pool(*map(max, pool, seen))
            time.sleep(0.1)  # the pace, not a wait
    return pool


_CONNECTIONS = """
SELECT count(*) FILTER (WHERE application_name = 'lanyard'), count(*) FILTER (WHERE application_name = 'lanyard-journal'),
  coalesce(max(extract(epoch FROM clock_timestamp() - query_start))
    FILTER (WHERE application_name = 'lanyard-journal' AND wait_event_type = 'Lock'), 0)
FROM pg_stat_activity
"""


def both(folder: Path, dose: Dose) -> Outcome:
    """The disk is full and the database away: nothing can be written down anywhere."""
    with stage(
        folder, clinicians=dose.clinicians, stores="redis", disk="128m", audit=RESERVE, build=dose.build
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
        states = [e["state"] for e in here.events("control.failure") if e["control"] == "journal-reserve"]
        outcome.must(states[:2] == ["alarm", "break-glass-only"], f"the reserve's alarms: {states[:3]}")
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
    "0 requests fail, since the local segment is the truth; alarm within 10 s; after its return every event is there once, in its "
    "writer's order, "
    "none is missing, and 5,000 arrive in a second",
    "nothing",
    "a shipper that sends again what was taken, or forgets what was not, makes the two counts differ",
    away,
    Dose(rate=80, seconds=1, clinicians=6),
    Dose(rate=200, seconds=900),
)
F07 = Row(
    "F07",
    "PostgreSQL is slow: the central journal's table is locked",
    "0 requests fail; at most 50 ms are added to the slowest of a hundred; a gateway has no more connections than usual (7 for its "
    "stores, 1 for the journal), none of them waits longer than 1 s; after it every event is there once, in its writer's order",
    "nothing",
    '`audit.ack = "local+central"`, which waits for it',
    slow,
    Dose(rate=80, seconds=1.5, clinicians=6),
    Dose(rate=200, seconds=60),
)
F08 = Row(
    "F08",
    "the disk is full and PostgreSQL is away",
    "alarm at 80 % of the reserve, emergencies only at 95 %, then 503 within 1 s, 0 records asked for, `/readyz` says so; "
    " serves again within 5 s of their return, without a restart",
    "a page that says why, with the telephone number of the system's helpdesk",
    "the build `deaf`, which lets through what the journal refuses",
    both,
    Dose(rate=150, seconds=0.5, clinicians=6),
    Dose(rate=200, seconds=60),
)
ROWS = (F06, F07, F08)
