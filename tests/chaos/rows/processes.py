"""Gateways that are killed, and gateways that are stopped in good order."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, stage, until

_SHARE = 0.01  # of requests may fail where another replica serves


def killed_whole(folder: Path, dose: Dose) -> Outcome:
    """`kill -9` of the only gateway, again and again, and a start."""
    chance, gaps = random.Random(2), []
    with stage(folder, clinicians=dose.clinicians, build=dose.build or "nothing") as here:
        with here.load(dose.rate) as load:
            for _ in range(dose.times):
                time.sleep(dose.seconds * chance.random())  # a moment by chance is the fault
                _kill(here)
                here.gateway.start()
                back = time.time()
                until(lambda since=back: gap(load, since) < float("inf"))
                gaps.append(gap(load, back))
        outcome = judge(here, load)
        recovered = here.gateway.events(type="audit.recovered")
        outcome.figures |= {"kills": dose.times, "torn tails": sum(e.get("bytes", 0) > 0 for e in recovered)}
        outcome.must(len(recovered) == dose.times, f"{len(recovered)} recoveries in the journal of {dose.times}")
        outcome.within("seconds to serve again after the start", max(gaps), 2.0)
        outcome.must(set(load.statuses()) <= {0, 200, 201, 502}, f"answers with {sorted(load.statuses())}")
    return outcome


def _kill(here: Stage) -> None:
    here.gateway.kill()


F02 = Row(
    "F02",
    "`kill -9` of the whole gateway, and a start",
    "0 acknowledged events missing, a torn tail is cut and told, 0 answers without an earlier entry, nobody signs on again, "
    "serves again within 2 s of its start",
    "the balancer's page with a retry, until the start",
    "the build `early`, which acknowledges before it writes",
    killed_whole,
    Dose(times=4, rate=150, seconds=0.8),
    Dose(times=150, rate=200, seconds=2),
)
ROWS = (F02,)
