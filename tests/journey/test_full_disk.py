"""The disk fills, or the session store does not answer: alarms first, then refusals that say why, and nothing gets past them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.counterparts.small_disk import fill, small_disk

from .browser import Browser
from .fhir_server import Caller, FhirServer, fhir_server
from .held import for_everybody, for_writers
from .hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart

ROOM = "32m"
RESERVE = {"reserve": "3MiB", "segment": "128KiB"}  # given away in 24 steps: 20 to the alarm, 23 to emergencies only
PATIENCE = 20.0
MOST_REQUESTS = 20_000


@dataclass
class Ward:
    """A gateway that keeps its data in `data`, the server behind it, and a signed-on nurse."""

    place: Hospital
    records: FhirServer
    data: Path
    cookies: dict[str, str]
    asked: int = 0

    def caller(self) -> Caller:
        return Caller(self.place.system_url("records"), self.cookies)

    def look(self, caller: Caller) -> tuple[str, int, bytes]:
        """For a patient whom nobody asked for before: the target and what came."""
        self.asked += 1
        target = f"/Patient/mark-{self.asked}"
        return (target, *caller.get(target))

    def alarm(self, control: str) -> float:
        return float(self.figure(f'lanyard_alarm{{control="{control}"}}'))

    def figure(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.place.ops_port}/metrics", timeout=10) as answer:
            found = re.search(rf"^{re.escape(name)} (.*)$", answer.read().decode(), re.MULTILINE)
        assert found, name
        return found[1]

    def states(self, control: str) -> list[str]:
        """What the log says of a control, in order."""
        lines = [json.loads(line) for line in self.place.log().splitlines()]
        return [line["state"] for line in lines if line.get("control") == control]


@contextlib.contextmanager
def ward(folder: Path, data: Path, **tables: Any) -> Iterator[Ward]:
    with contextlib.ExitStack() as open_ones:
        records, browser = open_ones.enter_context(fhir_server()), open_ones.enter_context(Browser())
        systems = [system("records", "fhir", records.origin)]
        place = open_ones.enter_context(hospital(folder, systems, gateway={"data_dir": str(data)}, **tables))
        place.sign_on(browser, "n.okoye")
        url = place.system_url("records")
        assert browser.get(f"{url}/Patient/first").status == 200
        yield Ward(place, records, data, browser.cookies[url.removeprefix("http://")])


def until(true: Callable[[], bool]) -> None:
    """Wait for the thing."""
    late = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < late, "it never came"
        time.sleep(0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk", ROOM) as place:
        yield place


def test_a_full_disk_alarms_then_refuses_and_comes_back_by_itself(tmp_path: Path, disk: Path) -> None:
    """Everybody is served until long after the alarm; then nothing leaves unwritten; free room is enough to go on."""
    with ward(tmp_path, disk / "data", audit=RESERVE) as here, contextlib.closing(here.caller()) as caller:
        filler = fill(disk)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            (disk / "one more").write_bytes(b"x" * 8192)

        served, alarmed = [], 0
        while (look := here.look(caller))[1] == 200:
            served.append(look[0])
            if not alarmed and len(served) % 20 == 0 and here.alarm("journal-reserve"):
                alarmed = len(served)
            assert len(served) < MOST_REQUESTS, "the disk is never full"
        assert 0 < alarmed < len(served)
        assert here.states("journal-reserve")[:2] == ["alarm", "break-glass-only"]

        refused = [look, *(here.look(caller) for _ in range(20))]
        assert {status for _, status, _ in refused} == {503}
        assert all(json.loads(body)["type"] == "urn:lanyard:journal-unavailable" for _, _, body in refused)
        assert not {target for target, _, _ in refused} & set(here.records.asked)
        assert here.alarm("journal-reserve") == 1
        assert here.place.ready()[1]["journal"] in ("break-glass-only", "used")

        filler.unlink()
        until(lambda: here.look(caller)[1] == 200)
        until(lambda: here.alarm("journal-reserve") == 0)
        status, parts = here.place.ready()
        assert (status, parts["ready"], parts["journal"], parts["store"]) == (200, True, "ok", "ok")
        written = {e["target"] for e in here.place.events(type="access.intent")}
        assert set(served) <= written
        assert set(here.records.asked) <= written
        said = [e["state"] for e in here.place.events(type="control.failure") if e["control"] == "journal-reserve"]
        assert said[:2] == ["alarm", "break-glass-only"]
        assert said[-1] == "ok"
        assert here.place.lanyard("audit", "verify").returncode == 0
        assert len(here.place.events(type="login.ok")) == 1


def test_a_gateway_does_not_start_on_a_full_disk(tmp_path: Path, disk: Path) -> None:
    """It says which folder, why, and what to do; once there is room, it starts."""
    with (
        fhir_server() as records,
        hospital(
            tmp_path,
            [system("records", "fhir", records.origin)],
            started=False,
            gateway={"data_dir": str(disk / "data")},
            audit=RESERVE,
        ) as place,
    ):
        filler = fill(disk)
        done = place.lanyard("serve")
        assert done.returncode == 2
        assert f"no segment can be begun in `{disk / 'data' / 'journal' / 'gateway'}`" in done.stderr
        assert "free some room" in done.stderr
        assert "Traceback" not in done.stderr
        filler.unlink()
        place.start()
        assert place.stop() == 0


def test_a_session_that_cannot_be_read_lets_nothing_through(tmp_path: Path) -> None:
    """Another process holds the whole store: 503 with its reason, nobody is signed off, and all is well afterwards."""
    with ward(tmp_path, tmp_path / "data") as here, contextlib.closing(here.caller()) as caller:
        with for_everybody(here.data / "sessions.db"):
            while (look := here.look(caller))[1] == 200:
                pass  # what was looked at a moment ago is believed for that moment
            target, status, body = look
            assert (status, json.loads(body)["type"]) == (503, "urn:lanyard:session-unavailable")
            assert target not in here.records.asked
            status, parts = here.place.ready()
            assert (status, parts["store"]) == (503, "unavailable")
            assert here.alarm("session-store") == 1
        until(lambda: here.look(caller)[1] == 200)
        assert here.alarm("session-store") == 0
        assert here.states("session-store") == ["failing", "ok"]
        said = [e["state"] for e in here.place.events(type="control.failure") if e["control"] == "session-store"]
        assert said == ["failing", "ok"]
        assert len(here.place.events(type="login.ok")) == 1


def test_a_store_that_takes_no_write_stops_sign_ons_only(tmp_path: Path) -> None:
    """`BEGIN EXCLUSIVE` elsewhere: whoever is seated goes on; a new sign-on is told, not half made."""
    with ward(tmp_path, tmp_path / "data") as here, contextlib.closing(here.caller()) as caller, Browser() as other:
        started = len(here.place.events(type="shift.started"))
        with for_writers(here.data / "sessions.db"):
            assert here.look(caller)[1] == 200
            page = other.get(f"{here.place.url}/sign-on/start", came_from=f"{here.place.url}/sign-on")
            assert page.status == 503
            assert "session-unavailable" in page.text
            assert not any(other.cookies.values())
            assert here.look(caller)[1] == 200
        here.place.sign_on(other, "dr.lee")
        assert len(here.place.events(type="shift.started")) == started + 1


def test_a_store_that_was_taken_away_is_not_believed(tmp_path: Path) -> None:
    """Removed under a running gateway: 503 until it is put back, since nobody's revocations would arrive."""
    with ward(tmp_path, tmp_path / "data") as here, contextlib.closing(here.caller()) as caller:
        path, aside = here.data / "sessions.db", tmp_path / "aside.db"
        path.rename(aside)
        until(lambda: here.look(caller)[1] != 200)
        asked = len(here.records.asked)
        for _ in range(3):
            _, status, body = here.look(caller)
            assert (status, json.loads(body)["type"]) == (503, "urn:lanyard:session-unavailable")
        assert len(here.records.asked) == asked
        assert here.place.ready()[1]["store"] == "unavailable"
        aside.rename(path)
        until(lambda: here.look(caller)[1] == 200)
        assert here.place.ready()[0] == 200
