"""Killed where another one is there: a gateway beside its neighbour, the Redis primary before its replica."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ..load import Load
from ..opening import stage
from ..progress import strikes
from ..row import Dose, Outcome, Row, failing, gap, judge
from ..stage import Stage, until
from .failover import again, in_step

_SHARE = 0.01  # of requests may fail where another gateway serves


def killed_beside(folder: Path, dose: Dose) -> Outcome:
    """`kill -9` of one gateway, all its processes at once, while the other serves; and a start."""
    struck = []
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="postgres", build=dose.build) as here:
        with here.load(dose.rate) as load:
            for turn in strikes(dose.times):
                place = here.gateways[turn % 2]
                time.sleep(dose.seconds)  # both serve
                struck.append(time.time())
                place.stop(signal.SIGKILL)
                time.sleep(dose.seconds)  # the other serves alone
                place.start()
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        outcome.figures["kills"] = dose.times
        outcome.within("share of requests that failed", outcome.failed / max(outcome.requests, 1), _SHARE)
        outcome.within("seconds in which requests fail", failing(load, struck), 2.0)
        recovered = [len(here.events("audit.recovered", place)) for place in here.gateways]
        outcome.must(sum(recovered) == dose.times, f"recoveries in the journals: {recovered}, of {dose.times}")
        outcome.must(set(load.statuses()) <= {0, 200, 201, 502}, f"answers with {sorted(load.statuses())}")
    return outcome


def primary_killed(folder: Path, dose: Dose) -> Outcome:
    """`kill -9` of the Redis primary under load: sentinels promote its replica, and what was the primary comes back as one."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="sentinels", build=dose.build) as here:
        assert here.sentinels is not None
        times = []
        with here.load(dose.rate) as load:
            for _ in strikes(dose.times):
                time.sleep(dose.seconds)  # good ones before
                times.append(_promoted(here, load))
                again(here)
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        outcome.figures["fail-overs"] = dose.times
        refused = [look.took for look in load.looks if not look.right]
        outcome.within("longest wait for a refusal in seconds", max(refused, default=0.0), 1.0)
        outcome.within("seconds from the kill until somebody is served again", max(times), 10.0)
        outcome.must(set(load.statuses()) <= {200, 201, 503}, f"answers with {sorted(load.statuses())}")
    return outcome


def _promoted(here: Stage, load: Load) -> float:
    """Seconds from the kill until answers come that nobody knew before."""
    assert here.sentinels is not None
    servers = here.sentinels
    until(lambda: in_step(servers.primary, servers.replica), what="the replica's hearing")
    killed = time.time()
    servers.primary.kill()
    until(lambda: servers.master_port() == servers.replica.port, 30, "the fail-over")
    promoted = time.time()
    until(lambda: gap(load, promoted) < float("inf"), 30, "an answer")
    return promoted + gap(load, promoted) - killed


K01 = Row(
    "K01",
    "`kill -9` of a whole gateway, while another one serves",
    "0 answers without an earlier entry, at most 1 % of requests fail (as 502 or a reset), all within 2 s of the kill, 0 writes twice, "
    "nobody signs on again; it starts again beside the other",
    "mostly nothing; at worst the balancer's page with a retry, or the launchpad in place of a system that was just being entered",
    "the build `early`, which acknowledges before it writes",
    killed_beside,
    Dose(times=2, rate=80, seconds=0.5, clinicians=6),
    Dose(times=100, rate=200, seconds=1),
)
K02 = Row(
    "K02",
    "`kill -9` of the Redis primary: sentinels promote its replica",
    "whoever cannot be looked up is told 503 within 1 s, 0 sent to sign on again; served within 10 s of the kill, with every shift "
    "from before (F11: also with those of a last second that the replica lost)",
    "“Your session could not be read” for some seconds: the page tries again by itself",
    "a fail-over that drops the cookies at systems, kept in Redis alone (`tests/gateway/stores/test_failing_over.py`): most are told 401",
    primary_killed,
    Dose(times=1, rate=80, seconds=0.5, clinicians=6),
    Dose(times=20, rate=200, seconds=2),
)
ROWS = (K01, K02)
