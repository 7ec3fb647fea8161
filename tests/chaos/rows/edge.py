"""Too many connections, requests that all raise, a loop that stands still, and clients that go away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import time
from collections import Counter
from pathlib import Path

from gateway.audit.segment import segments

from .. import row as rows
from ..opening import stage
from ..progress import strikes
from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, until

_CROWD = 2000
_EARLY = 2.0  # seconds within which most of them are turned away
_BLOCKED = "the event loop is blocked"
_SAYS_AGAIN = 11.0  # seconds
_LOG_LINES = 15  # a second
_ON_THEIR_WAY = 0.5  # seconds within which what was decided before the strike has come to the system


def everything_raises(folder: Path, dose: Dose) -> Outcome:
    """A mistake of ours meets every request for a while."""
    with stage(folder, clinicians=dose.clinicians, build=dose.build or "raises") as here:
        before = _pid(here)
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)  # good ones before
            here.control.touch()
            struck = time.time()
            until(lambda: any(look.status == 500 for look in load.looks) or len(load.looks) > dose.rate * 10)
            time.sleep(_ON_THEIR_WAY)
            asked = len(here.records.asked)
            time.sleep(dose.seconds)
            quiet = len(here.records.asked) - asked
            here.control.unlink(missing_ok=True)
            healed = time.time()
            until(lambda: gap(load, healed) < float("inf"), what="an answer")
        outcome = judge(here, load)
        bad = [look for look in load.looks if look.status == 500]
        told = [json.loads(look.body)["request"] for look in bad]
        lines = [line for line in here.gateway.log().splitlines() if '"request failed"' in line]
        written = {e["request"] for e in here.events("request.rejected") if e["reason"] == "unexpected"}
        outcome.within("log lines a second", len(lines) / max(healed - struck, 1), _LOG_LINES)
        outcome.within("seconds to serve again", gap(load, healed), 1.0)
        outcome.must(bad and all(told), "an answer without the number that the operators ask for")
        outcome.must(set(told) <= written, f"{len(set(told) - written)} failures are not in the journal")
        outcome.must(quiet == 0, f"{quiet} records were asked for without a decision")
        outcome.must(set(load.statuses()) <= {200, 201, 500}, f"answers with {sorted(load.statuses())}")
        outcome.must(_pid(here) == before, "the gateway ended")
    return outcome


def _pid(here: Stage) -> int:
    process = here.gateway.process
    return process.pid if process is not None and process.poll() is None else 0


def crowd(folder: Path, dose: Dose) -> Outcome:
    """Two thousand connections that say nothing, where the gateway may have 256 descriptors; segments end meanwhile."""
    _may_open(_CROWD * 2)
    small = {"reserve": "1MiB", "segment": "128KiB"}
    with stage(folder, clinicians=dose.clinicians, build=dose.build or "few-descriptors", audit=small) as here:
        place = here.gateway.folder / "data" / "journal"
        with here.load(dose.rate) as load:
            time.sleep(dose.seconds)
            writer = max((one for one in place.iterdir() if one.is_dir()), key=lambda one: len(segments(one)))
            began = len(segments(writer))
            idle, turned = here.loop.do(_idle(here.gateway.port))
            rushed = time.time()
            until(lambda: here.loop.do(_new(here)) == 204 or time.time() > rushed + 10, 25)  # the rush is over
            crowded = time.time()
            until(lambda: len(segments(writer)) >= began + 2 or _alarmed(here), 60, "a new segment")
            time.sleep(dose.seconds)
            here.loop.do(_leave(idle))
            left = time.time()
            until(lambda: here.loop.do(_new(here)) == 204 or time.time() > left + 20, 25)
            back = time.time() - left
        outcome = judge(here, load)
        outcome.figures |= {"idle connections": _CROWD, "turned away with 503": turned}
        outcome.within("seconds until a newcomer is served beside the crowd", crowded - rushed, 2.0)
        outcome.within("seconds until anybody is let in again", back, 5.0)
        outcome.must(turned > _CROWD / 2, f"only {turned} of {_CROWD} were turned away early")
        outcome.must(not _alarmed(here), "the journal could not be written")
        late = [look for look in load.looks if look.sent > crowded and not look.right]
        outcome.must(not late, f"{len(late)} were not answered while the crowd sat there")
        outcome.must(set(load.statuses()) <= {200, 201, 503}, f"answers with {sorted(load.statuses())}")
    return outcome


def _may_open(many: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < many:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(many, hard) if hard > 0 else many, hard))


def _alarmed(here: Stage) -> bool:
    return any('"journal"' in line and '"control"' in line for line in here.gateway.log().splitlines())


async def _idle(port: int) -> tuple[list[asyncio.StreamWriter], int]:
    """All of them, and how many were told 503 within some seconds: as soon as most were, nobody is waited for."""
    said, writers = Counter[bytes](), list[asyncio.StreamWriter]()

    async def one() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            said[(await reader.read(12))[9:12]] += 1

    tasks = [asyncio.create_task(one()) for _ in range(_CROWD)]
    until_ = time.monotonic() + _EARLY * rows.SLACK
    while time.monotonic() < until_ and said[b"503"] + 256 < _CROWD:
        await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return writers, said[b"503"]


async def _leave(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()


async def _new(here: Stage) -> int:
    """What a newcomer's connection is told."""
    writer = None
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.gateway.port)
            host = here.url.partition("://")[2]
            writer.write(f"GET /sign-on HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\n\r\n".encode())
            status = int((await reader.read(12))[9:12])
    except (OSError, TimeoutError, ValueError):
        return 0
    finally:
        if writer is not None:
            writer.close()
    return 204 if status == 200 else status


def blocked(folder: Path, dose: Dose) -> Outcome:
    """Something computes in the event loop for two seconds, as a bad connector would."""
    with stage(folder, clinicians=dose.clinicians, build=dose.build or "blocks") as here:
        with here.load(dose.rate) as load:
            for turn in strikes(dose.times):
                time.sleep(dose.seconds)  # good ones between
                here.control.touch()
                until(lambda wanted=turn + 1: here.gateway.log().count(_BLOCKED) >= wanted, what="the watchdog's line")
                until(lambda: not here.control.exists())
                time.sleep(_SAYS_AGAIN if turn + 1 < dose.times else 0)  # it says so at most so often
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        line = next(json.loads(one) for one in here.gateway.log().splitlines() if _BLOCKED in one)
        outcome.within("longest wait in seconds", max(look.took for look in load.looks), 2.2)
        outcome.must(any("builds.py" in place for place in line["stack"]), "the log does not say by what")
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
    return outcome


def reloaded(folder: Path, dose: Dose) -> Outcome:
    """The configuration is changed for a bad one under load, and then for a good one."""
    with stage(folder, clinicians=dose.clinicians, build=dose.build) as here:
        place = here.gateway
        good, rejected = place.path.read_text(), 0
        with here.load(dose.rate) as load:
            for turn in strikes(dose.times):
                for bad in (
                    "nonsense [",
                    good.replace('name = "ward"', 'name = "NO NAME"'),
                    good + "\n[unheard]\nof = 1\n",
                ):
                    time.sleep(dose.seconds)  # the one before is looked at
                    place.path.write_text(bad)
                    rejected += 1
                    until(
                        lambda wanted=rejected: len(here.events("config.rejected")) >= wanted, what="`config.rejected`"
                    )
                until(lambda: here.alarmed("configuration"), what="the alarm")
                loaded = len(here.events("config.loaded"))
                place.config["shift"] = {"locked": f"{1 + turn % 2}h"}
                place.write()
                good = place.path.read_text()
                until(lambda loaded=loaded: len(here.events("config.loaded")) > loaded, what="`config.loaded`")
                until(lambda: not here.alarmed("configuration"), what="the end of the alarm")
                time.sleep(dose.seconds)
        outcome = judge(here, load)
        outcome.figures["bad ones rejected"] = rejected
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
        policies = {event["policy"] for event in here.events("access.intent")}
        outcome.must(len(policies) == 1, "requests were judged by more than one policy")
    return outcome


F20 = Row(
    "F20",
    "every request raises",
    "500 with a number that the journal has too, 0 records asked for, the process stays, the log is told ten times a second at most; "
    "serves again within 1 s",
    "“Something went wrong on our side”, with the number to tell",
    "the build `open-handed`, to which a mistake is a yes",
    everything_raises,
    Dose(rate=100, seconds=1),
    Dose(rate=300, seconds=60),
)
F27 = Row(
    "F27",
    "descriptors are used up: 256 of them, 2,000 idle connections",
    "whoever says nothing is told 503 as soon as others want the place, 0 requests fail while the crowd sits there, the journal goes "
    "on to its next segments; anybody is let in within 5 s of the crowd's leaving",
    "in the very moment of the rush: 503, try again",
    "the build `greedy`, whose connections take every descriptor",
    crowd,
    Dose(rate=100, seconds=0.5),
    Dose(rate=200, seconds=8),
)
F25 = Row(
    "F25",
    "the configuration is changed for a bad one",
    "the old one stays, `config.rejected` and an alarm say why, 0 requests fail, none is judged by a mixture; the next good one is taken "
    "under load",
    "nothing",
    "a gateway that takes what it cannot read ends, and every request fails",
    reloaded,
    Dose(times=1, rate=60, seconds=0.2, clinicians=6),
    Dose(times=50, rate=200, seconds=2),
)
F26 = Row(
    "F26",
    "something blocks the event loop for two seconds",
    "the log says by what, 0 requests fail, nobody waits longer than 2.2 s",
    "a page that is two seconds late",
    "without the watchdog the log has no line, and the row waits for it in vain",
    blocked,
    Dose(times=1, rate=60, seconds=0.5, clinicians=6),
    Dose(times=10, rate=200, seconds=5),
)
ROWS = (F20, F25, F26, F27)
