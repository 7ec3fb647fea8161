"""Several workers on one machine: all of them serve, and who dies, hangs or cannot begin is seen to by the parent."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.audit.writer import locked

from .browser import Browser
from .fhir_server import Caller, fhir_server
from .hospital import Hospital, hospital, system
from .operators import figure, journalled, said, until

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]


@contextlib.contextmanager
def ward(folder: Path, workers: int) -> Iterator[tuple[Hospital, Caller]]:
    with fhir_server() as records, Browser() as browser:
        gateway = {"workers": workers}
        with hospital(folder, [system("records", "fhir", records.origin)], gateway=gateway) as place:
            place.sign_on(browser, "n.okoye")
            url = place.system_url("records")
            assert browser.get(f"{url}/Patient/first").status == 200
            with contextlib.closing(Caller(url, browser.cookies[urlsplit(url).netloc])) as caller:
                yield place, caller


def ask(caller: Caller, times: int, got: list[int]) -> None:
    """Each on a connection of its own, so that any worker may take it."""
    with contextlib.closing(caller):
        for number in range(times):
            got.append(caller.get(f"/Patient/{threading.get_ident()}-{number}")[0])
            caller.close()


def at_once(first: Caller, times: int) -> list[int]:
    """Eight clients ask so many times."""
    got: list[int] = []
    threads = [threading.Thread(target=ask, args=(first.another(), times, got)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def runs(pid: int) -> bool:
    """Whether it is a process still, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_worker_gets_work_and_a_person_is_the_same_at_each(tmp_path: Path) -> None:
    """One sign-on, new connections: each of two writers has a fair part of the looks, and figures are of both."""
    with ward(tmp_path, 2) as (place, caller):
        assert set(at_once(caller, 40)) == {200}
        assert figure(place, "lanyard_workers") == 2
        total = figure(place, 'lanyard_requests_total{outcome="permitted",state="brokered",system="records"}')
        intents = journalled(place, "access.intent")
        assert total == len(intents) == 8 * 40 + 1
        parts = [sum(e["writer"] == name for e in intents) for name in ("gateway-1", "gateway-2")]
        assert sum(parts) == len(intents)
        assert min(parts) >= len(intents) // 10, parts
        assert len(journalled(place, "login.ok")) == 1


def test_a_worker_that_is_killed_is_replaced_and_what_it_counted_stays(tmp_path: Path) -> None:
    """Serving again within two seconds on a quiet machine; the other serves all the while. (F01)"""
    name = 'lanyard_requests_total{outcome="permitted",state="brokered",system="records"}'
    with ward(tmp_path, 2) as (place, caller):
        at_once(caller, 5)
        before, workers = figure(place, name), place.workers
        os.kill(workers[1], signal.SIGKILL)
        assert set(at_once(caller, 5)) <= {200, 0}
        until(lambda: place.workers[1] != workers[1] and figure(place, "lanyard_workers") == 2, "another worker")
        assert place.workers[2] == workers[2]
        assert figure(place, name) >= before
        assert figure(place, 'lanyard_worker_ends_total{how="died"}') == 1
        assert set(at_once(caller, 5)) == {200}
        assert place.lanyard("audit", "verify").returncode == 0


def test_a_worker_that_hangs_is_told_of_and_ended(tmp_path: Path) -> None:
    """Operators are answered while one stands still; after ten seconds it is ended, and another comes. (F26)"""
    with ward(tmp_path, 2) as (place, caller):
        workers = place.workers
        os.kill(workers[2], signal.SIGSTOP)
        begun = time.monotonic()
        status, parts = place.ready()
        assert (status, parts["workers"]["2"]["answers"]) == (200, "no")
        assert time.monotonic() - begun < 8
        until(lambda: place.workers[2] != workers[2] and figure(place, "lanyard_workers") == 2, "another worker")
        assert not runs(workers[2])
        assert place.workers[1] == workers[1]
        assert [line["how"] for line in said(place, "a worker is gone")] == ["hung"]
        assert set(at_once(caller, 5)) == {200}


def test_no_worker_outlives_the_parent(tmp_path: Path) -> None:
    """The parent alone is killed: its workers go with it, and the next start finds socket and journal free."""
    with ward(tmp_path, 2) as (place, _):
        workers = place.workers
        assert place.process is not None
        place.process.kill()
        place.process.wait()
        until(lambda: not any(runs(pid) for pid in workers.values()), "the end of the workers")
        place.start()
        assert place.lanyard("audit", "verify").returncode == 0


def test_a_worker_that_is_told_to_end_is_replaced(tmp_path: Path) -> None:
    """SIGTERM to one worker: it ends in good order, the parent begins another, and the gateway never stops."""
    with ward(tmp_path, 2) as (place, caller):
        first = place.worker
        os.kill(first, signal.SIGTERM)
        until(lambda: place.worker != first and figure(place, "lanyard_workers") == 2, "another worker")
        assert [line["how"] for line in said(place, "a worker is gone")] == ["ended"]
        assert set(at_once(caller, 5)) == {200}
        assert journalled(place, "gateway.stopped")


def test_the_whole_group_may_be_told_at_once(tmp_path: Path) -> None:
    """A service manager sends SIGTERM to parent and workers alike: one orderly end, nobody begun again."""
    with ward(tmp_path, 2) as (place, _):
        assert place.process is not None
        os.killpg(place.process.pid, signal.SIGTERM)
        assert place.process.wait(60) == 0
        assert len(journalled(place, "gateway.started")) == len(journalled(place, "gateway.stopped")) == 2
        assert said(place, "a worker is gone") == []


def test_what_a_worker_cannot_begin_with_is_told_by_the_parent(tmp_path: Path) -> None:
    """Exit 2 with the worker's own words, where any of the workers cannot begin."""
    with fhir_server() as records:
        systems = [system("records", "fhir", records.origin)]
        with hospital(tmp_path, systems, started=False) as place:
            lock = locked(tmp_path / "data" / "journal" / "gateway-2")
            try:
                done = place.lanyard("serve", "--workers", "2")
            finally:
                os.close(lock)
        assert done.returncode == 2
        assert f"lanyard: another process writes to `{tmp_path}/data/journal/gateway-2`" in done.stderr
        assert "Traceback" not in done.stderr
