"""Redis dead, standing still, slow and full."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import redis

from ..load import Load
from ..opening import stage
from ..progress import strikes, wait
from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, until

_FILLED = 0.85  # of the memory: the alarm is at 80 %
_PROBE = 10  # questions: a probe each second, with what a new connection says, and those of the first moment
_CERTAIN = 1.2  # seconds after which nobody believes what was read before


def gone(folder: Path, dose: Dose) -> Outcome:
    """It stands still, and goes on; then it is killed, and an empty one takes its place."""
    with _hospital(folder, dose) as here, here.load(dose.rate) as load:
        assert here.redis is not None
        times = []
        for _ in strikes(dose.times):
            times.append(away(here, load, dose, here.redis.stand_still, here.redis.go_on))
            times.append(away(here, load, dose, here.redis.kill, here.redis.begin, renewed=True))
        load.end()
        return judge_refusals(here, load, times)


def slow(folder: Path, dose: Dose) -> Outcome:
    """Each of its answers comes two seconds late."""
    with _hospital(folder, dose) as here, here.load(dose.rate) as load:
        times, marks = [], list[tuple[float, int]]()

        def set_to(seconds: float) -> Callable[[], None]:
            def do() -> None:
                marks.append((time.time(), _questions(here)))
                here.links["redis"].delay = seconds

            return do

        for _ in strikes(dose.times):
            times.append(away(here, load, dose, set_to(2.0), set_to(0.0)))
        load.end()
        outcome = judge_refusals(here, load, times)
        spans = list(zip(marks[::2], marks[1::2], strict=True))
        asked = max((after - before) / (ended - begun) for (begun, before), (ended, after) in spans) / len(
            here.gateways
        )
        outcome.alone("questions a second that Redis gets from a gateway meanwhile", asked, _PROBE)
        refusal = max(load.slowest(begun + _CERTAIN, ended, share=0.95) for (begun, _), (ended, _) in spans)
        outcome.alone("slowest of twenty refusals once the circuit is open, in ms", refusal * 1e3, 50.0)
    return outcome


def _questions(here: Stage) -> int:
    """How many Redis has been asked since its start."""
    assert here.redis is not None
    client = here.redis.client()
    asked = int(client.info("stats")["total_commands_processed"])  # type: ignore[index]  # not asynchronous here
    client.close()
    return asked


def _hospital(folder: Path, dose: Dose):  # type: ignore[no-untyped-def]  # as stage()
    return stage(folder, gateways=2, clinicians=dose.clinicians, stores="redis", build=dose.build)


def away(
    here: Stage,
    load: Load,
    dose: Dose,
    begin: Callable[[], None],
    end: Callable[[], None],
    *,
    renewed: bool = False,
) -> float:
    """Seconds until somebody is served again after `end`; whoever navigates meanwhile is not sent round in circles.

    `renewed`: the cookies at the system's host, which last for minutes only, have gone with Redis: the next navigation brings others.
    """
    time.sleep(0.5)  # good ones between
    begin()
    time.sleep(_CERTAIN)
    page = here.answers(here.desks[0], f"{here.url}/")
    load.seen_meanwhile.append((page.status, page.body))
    asked = len(here.records.asked)
    wait(dose.seconds)
    load.asked_meanwhile += len(here.records.asked) - asked
    end()
    back = time.time()
    if renewed:
        until(lambda: _renewed(here), what="another cookie")
    until(lambda: gap(load, back) < float("inf"), what="an answer")
    return gap(load, back)


def _renewed(here: Stage) -> bool:
    try:
        here.renew()
    except (RuntimeError, KeyError):
        return False
    return True


def judge_refusals(here: Stage, load: Load, times: list[float], *, back: float = 2.0) -> Outcome:
    """`back`: seconds within which somebody is served again."""
    here.settle(load)
    outcome = judge(here, load)
    refused = [look for look in load.looks if not look.right]
    outcome.within("longest wait for a refusal in seconds", max((look.took for look in refused), default=0.0), 1.0)
    outcome.within("seconds to serve again", max(times), back)
    outcome.must(
        load.asked_meanwhile == 0, f"{load.asked_meanwhile} records were asked for while nobody could be looked up"
    )
    outcome.must(set(load.statuses()) <= {200, 201, 401, 503}, f"answers with {sorted(load.statuses())}")
    pages = [status for status, _ in load.seen_meanwhile]
    outcome.must(set(pages) <= {200, 503}, f"whoever navigates meanwhile is told {pages}")
    return outcome


def _used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])  # type: ignore[index]  # not asynchronous here


def _nearly_full(here: Stage, client: redis.Redis) -> bool:
    """Whether the alarm has come. What the clients of the load take up comes and goes, so the limit follows."""
    client.config_set("maxmemory", int(_used(client) / _FILLED))
    return here.alarmed("redis")


def full(folder: Path, dose: Dose) -> Outcome:
    """It may use no more memory: what is there stays, and nobody new is let in."""
    with _hospital(folder, dose) as here:
        assert here.redis is not None
        client = here.redis.client()
        with here.load(dose.rate) as load:
            until(lambda: _nearly_full(here, client), what="the alarm")
            early = here.newcomer()
            client.config_set("maxmemory", _used(client) // 2)
            wait(dose.seconds)
            newcomer = here.newcomer()
            client.config_set("maxmemory", 0)
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        evicted = int(client.info("stats")["evicted_keys"])  # type: ignore[index]  # as above
        client.close()
        outcome.figures["evicted keys"] = evicted
        outcome.must(evicted == 0, f"{evicted} keys were evicted")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests of those who were there failed")
        outcome.must(early == 200, f"whoever signs on while there is room is told {early}")
        outcome.must(newcomer == 503, f"whoever signs on meanwhile is told {newcomer}")
        here.sign_on(1)
    return outcome


F09 = Row(
    "F09",
    "Redis stands still, or is killed and comes back empty",
    "whoever cannot be looked up is told 503 within 1 s, 0 sent to sign on again; served within 2 s of its return without a "
    "restart, with every shift from before; where it comes back empty, the next navigation renews the cookies at systems by itself",
    "“Your session could not be read”: the page tries again by itself",
    "the build `forgetful`, which does not look into the lasting copy",
    gone,
    Dose(rate=100, seconds=0.5, clinicians=6),
    Dose(times=20, rate=200, seconds=10),
)
F10 = Row(
    "F10",
    "Redis answers two seconds late",
    "as F09: the circuit opens, nobody waits longer than 1 s, once it is open nobody waits (50 ms): beside them it is tried, once a second",
    "“Your session could not be read”: the page tries again by itself",
    "the limit of 250 ms for each command taken out: whoever asks waits for two seconds and more",
    slow,
    Dose(rate=100, seconds=1.5),
    Dose(times=5, rate=200, seconds=30),
)
F13 = Row(
    "F13",
    "Redis has no memory left",
    "alarm at 80 %; 0 keys evicted, everybody who is signed on works on; a new sign-on is told 503; a server that may "
    "evict is refused at the start",
    "for a newcomer: “Nobody more can be signed on just now”",
    "a server with `allkeys-lru`, which the start refuses (`tests/gateway/stores`)",
    full,
    Dose(rate=100, seconds=1),
    Dose(rate=200, seconds=60),
)
ROWS = (F09, F10, F13)
