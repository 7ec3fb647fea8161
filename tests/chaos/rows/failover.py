"""Redis fails over to a replica that has not heard of the last second."""

from __future__ import annotations

import time
from pathlib import Path

from tests.counterparts.redis_servers import RedisServer

from ..opening import stage
from ..progress import strikes
from ..row import Dose, Outcome, Row
from ..stage import Stage, until


def failed_over(folder: Path, dose: Dose) -> Outcome:
    """The replica hears nothing while one clinician signs off and another signs on; then the primary is gone."""
    with stage(folder, gateways=2, clinicians=dose.clinicians, stores="sentinels", build=dose.build) as here:
        outcome, times = Outcome(), []
        for _ in strikes(dose.times):
            times.append(_fail_over(here, outcome))
        outcome.within("longest fail-over in seconds", max(times), 10.0)
        outcome.shifts_lost = here.shifts_lost()
        outcome.must(outcome.shifts_lost == 0, f"{outcome.shifts_lost} clinicians have to sign on again")
        outcome.must(here.verified(), "a journal is not whole")
    return outcome


def _fail_over(here: Stage, outcome: Outcome) -> float:
    assert here.sentinels is not None
    servers = here.sentinels
    until(lambda: _signed_on(here), what="a sign-on")
    leaver, _ = here.desks.pop(), here.cookies.pop()
    before = dict(leaver._cookies[here.url.partition("://")[2]])
    until(lambda: in_step(servers.primary, servers.replica), what="the replica's hearing")
    servers.replica.stand_still()
    _cut_off(servers.primary)
    gone = here.answers(leaver, f"{here.url}/sign-off", method="POST", form={"everywhere": "yes"})
    outcome.must(gone.status in (200, 303), f"a sign-off was answered with {gone.status}")
    until(lambda: _signed_on(here), what="a sign-on")
    servers.primary.kill()
    servers.replica.go_on()
    begun = time.monotonic()
    until(lambda: servers.master_port() == servers.replica.port, 30, "the fail-over")
    until(lambda: here.answers(here.desks[-1], f"{here.url}/").status != 503, 30, "an answer")
    took = time.monotonic() - begun
    for _ in range(10):
        leaver._cookies[here.url.partition("://")[2]] = dict(before)
        back = here.answers(leaver, f"{here.url}/").status
        outcome.requests += 1
        outcome.seen["a page for one who had signed off" if back == 200 else "sign on, please"] += 1
        outcome.must(back != 200, "a session that was ended came back")
    here.loop.do(leaver.close())
    again(here)
    return took


def _signed_on(here: Stage) -> bool:
    """Another clinician, at whichever gateway: the one may find the new primary a moment after the other."""
    try:
        here.sign_on(1)
    except RuntimeError:
        return False
    return True


def _cut_off(primary: RedisServer) -> None:
    """What is written from now on does not even wait in the replica's socket."""
    client = primary.client()
    client.client_kill_filter(_type="replica")
    client.close()


def in_step(primary: RedisServer, replica: RedisServer) -> bool:
    return _offset(primary, "master_repl_offset") == _offset(replica, "slave_repl_offset")


def _offset(server: RedisServer, name: str) -> int:
    client = server.client()
    try:
        return int(client.info("replication").get(name, -1))
    finally:
        client.close()


def again(here: Stage) -> None:
    """What was the primary comes back as the replica."""
    assert here.sentinels is not None
    servers = here.sentinels
    servers.primary.begin()
    servers.primary, servers.replica = servers.replica, servers.primary
    until(lambda: _is_replica(servers.replica), 60, "the old primary as a replica")


def _is_replica(server: RedisServer) -> bool:
    client = server.client()
    try:
        said = client.info("replication")
        return said["role"] == "slave" and said.get("master_link_status") == "up"
    finally:
        client.close()


F11 = Row(
    "F11",
    "Redis fails over to a replica that lost the last second",
    "0 sessions that were ended come back, 0 shifts are lost, nobody gets another's session",
    "“Your session could not be read” for some seconds: the page tries again by itself",
    "the build `forgetful`, which does not look into the lasting copy: who signed off is back, and who signed on last is gone",
    failed_over,
    Dose(times=1, clinicians=4),
    Dose(times=100, clinicians=20),
)
ROWS = (F11,)
