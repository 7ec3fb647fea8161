"""Disks that lose what was not synced, that refuse, and that are full."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from gateway.audit.segment import segments
from tests.counterparts.small_disk import fill

from ..builds import again
from ..load import Load
from ..opening import stage
from ..progress import strikes
from ..row import Dose, Outcome, Row, gap, judge
from ..stage import Stage, until

ENDS = ("break-glass-only", "used", "reserve-used", "disk-full")
RESERVE = {"reserve": "3MiB", "segment": "128KiB"}


def power_lost(folder: Path, dose: Dose) -> Outcome:
    """The journal's unsynced sectors are lost by chance, and the machine with them; then it starts again."""
    chance = random.Random(3)
    with stage(folder, clinicians=dose.clinicians) as here:
        here.gateway.stop()
        try:
            with here.load(dose.rate) as load:
                for _ in strikes(dose.times):
                    _cut(here, dose.build or "power-cut", chance.randrange(1 << 30))
            here.gateway.program = ("tests.chaos.builds", "nothing", "-")
            here.gateway.start()
        except RuntimeError as refused:  # a journal with a hole is not built upon
            return Outcome(broken=[f"no start after the cut: {str(refused)[-300:]}"])
        outcome = judge(here, load)
        outcome.figures["power cuts"] = dose.times
        outcome.must(any(look.right for look in load.looks), "nobody was answered at all")
    return outcome


def _cut(here: Stage, build: str, seed: int) -> None:
    here.control.write_text(str(seed))
    place = here.gateway
    place.program = ("tests.chaos.builds", build, str(here.control))
    place.begin()  # whoever waits asks at once: the cut may come before it could be said to be ready
    until(lambda: place.process is None or place.process.poll() is not None, what="the cut")
    if '"listening"' not in (said := place.logs[-1].read_text()):
        raise RuntimeError(said)


def sync_failed(folder: Path, dose: Dose) -> Outcome:
    """`fdatasync` says EIO once: the segment is given up, whoever waited waits a little longer."""
    with stage(folder, clinicians=dose.clinicians, build=dose.build or "failed-sync") as here:
        data = here.gateway.folder / "data"
        before = len(segments(data / "journal" / "gateway-a")) or len(segments(data / "journal" / "gateway"))
        alarms = []
        with here.load(dose.rate) as load:
            for turn in strikes(dose.times):
                time.sleep(dose.seconds)  # load between two faults
                here.control.touch()
                struck = time.time()
                until(lambda wanted=turn + 1: _alarms(here).count("sync-failed") >= wanted, what="the alarm")
                alarms.append(time.time() - struck)
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        folders = [path for path in (data / "journal").iterdir() if path.is_dir() and path.name != "lanyard"]
        outcome.figures["segments given up"] = dose.times
        outcome.within("seconds to the alarm", max(alarms), 5.0)
        outcome.within("longest wait in seconds", max(look.took for look in load.looks), 1.0)
        outcome.must(outcome.failed == 0, f"{outcome.failed} requests failed")
        outcome.must(max(len(segments(one)) for one in folders) > before, "no new segment was begun")
        outcome.must(not again(here.control).exists(), "a segment was synced again whose sync had failed")
    return outcome


def _alarms(here: Stage) -> list[str]:
    lines = [json.loads(line) for line in here.gateway.log().splitlines() if line.startswith("{")]
    return [line["state"] for line in lines if line.get("control") == "journal"]


def disk_full(folder: Path, dose: Dose) -> Outcome:
    """Somebody else fills the disk; the reserve is used up; then there is room again."""
    with stage(folder, clinicians=dose.clinicians, build=dose.build, disk="128m", audit=RESERVE) as here:
        with here.load(dose.rate) as load:
            filler = fill(here.gateway.folder / "data")
            until(lambda: _refused(load) or here.gateway.ready()[1]["journal"] in ENDS, 120, "the end of the reserve")
            time.sleep(dose.seconds)  # what is asked now must be refused
            page = here.loop.do(here.desks[0].ask("GET", f"{here.system}/Patient/entered"))
            asked = len(here.records.asked)
            time.sleep(dose.seconds)
            quiet = len(here.records.asked) - asked
            filler.unlink()
            free = time.time()
            until(lambda: gap(load, free) < float("inf"), what="an answer")
            time.sleep(dose.seconds)
        outcome = judge(here, load)
        refused = [look for look in load.looks if look.status == 503]
        outcome.within("longest wait for a refusal in seconds", max((look.took for look in refused), default=99.0), 1.0)
        outcome.within("seconds to serve again after there is room", gap(load, free), 5.0)
        outcome.must(quiet == 0, f"{quiet} records were asked for while nothing could be written")
        outcome.must(page.status == 503 and b"1234" in page.body, "the page does not say whom to ring")
        outcome.must(set(load.statuses()) <= {200, 201, 503}, f"answers with {sorted(load.statuses())}")
        alarm = here.events("control.failure")
        states = [e["state"] for e in alarm if e["control"] == "journal-reserve"]
        outcome.must(states[:2] == ["alarm", "break-glass-only"], f"the reserve's alarms: {states[:3]}")
    return outcome


def _refused(load: Load) -> bool:
    return any(look.status == 503 for look in load.looks[-20:])


F03 = Row(
    "F03",
    "power is lost, and with it what was not synced",
    "0 acknowledged events missing, the journal whole after each start, nobody signs on again; and the kernel says "
    "that the sync ends before the answer (`tests/journey/test_strace.py`)",
    "the balancer's page with a retry, until the start",
    "the build `unsynced`, which never syncs",
    power_lost,
    Dose(times=4, rate=150),
    Dose(times=200, rate=200),
)
F04 = Row(
    "F04",
    "`fdatasync` fails once (EIO)",
    "the segment is given up and never synced again, 0 requests fail, nobody waits longer than 1 s, alarm within 5 s",
    "nothing",
    "a journal that goes on with the segment whose sync failed: the row looks for a new one",
    sync_failed,
    Dose(times=2, rate=100, seconds=0.5),
    Dose(times=50, rate=200, seconds=2),
)
F05 = Row(
    "F05",
    "the journal's disk is full",
    "alarm at 80 % of the reserve, emergencies only at 95 %, then 503 within 1 s and 0 records asked for; serves again within 5 s of there "
    "being room, without a restart",
    "a page that says why, with the telephone number of the system's helpdesk",
    "the build `deaf`, which lets through what the journal refuses",
    disk_full,
    Dose(rate=250, seconds=0.5),
    Dose(rate=300, seconds=20),
)
ROWS = (F03, F04, F05)
