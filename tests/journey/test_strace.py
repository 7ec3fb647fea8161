"""Durable before release, as the kernel saw it: the event's sync ends before the system is asked and the browser answered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .browser import Browser
from .fhir_server import Caller, FhirServer, fhir_server
from .hospital import Hospital, hospital, system
from .trace import Order, need_strace, read, traced

pytestmark = [pytest.mark.counterpart, pytest.mark.slow]

ANSWERS = 1_000
_CALLERS = 4

Place = tuple[Hospital, FhirServer]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    need_strace()
    with fhir_server() as records, hospital(tmp_path, [system("records", "fhir", records.origin)]) as running:
        yield running, records


def look_at(place: Place, answers: int) -> Order:
    """A signed-on nurse opens so many records, one after another on a few connections, while the kernel is watched."""
    here, records = place
    with Browser() as browser:
        here.sign_on(browser, "n.okoye")
        url = here.system_url("records")
        assert browser.get(f"{url}/Patient/first").status == 200
        cookies = browser.cookies[urlsplit(url).netloc]
    got: list[str] = []

    def work(first: int) -> None:
        with contextlib.closing(Caller(url, cookies)) as caller:
            for number in range(first, answers, _CALLERS):
                status, body = caller.get(f"/Patient/mark-{number}")
                if status == 200 and b'"mark-%d"' % number in body:
                    got.append(f"mark-{number}")

    path = here.folder / "trace"
    with traced(here.worker, path):
        threads = [threading.Thread(target=work, args=(first,)) for first in range(_CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(got) == answers
    with path.open(errors="replace") as lines:
        order = read(lines, gateway=here.port, system=urlsplit(records.origin).port or 0)
    assert order.answered.keys() >= set(got)  # the trace has them all
    assert set(order.patients.values()) >= set(got)
    return order


def test_the_event_is_durable_before_the_system_is_asked_and_the_browser_answered(place: Place) -> None:
    """For a thousand answers the kernel says so: the sync that covers the intent ended first. (F03)"""
    order = look_at(place, ANSWERS)
    assert len(order.answered) >= ANSWERS
    assert order.early() == []
    assert order.asked.keys() <= order.durable.keys()


def test_a_gateway_that_does_not_wait_for_its_journal_is_noticed(place: Place) -> None:
    """The same reading of the same calls turns red on a gateway that asks the system while the event is being written."""
    here, _ = place
    here.stop()
    here.program = ("tests.journey.hasty",)
    here.start()
    order = look_at(place, 40)
    assert len(order.early()) > 0


_ID = "0123456789abcdef0123456789abcdef"
_FILE = "9</data/journal/gateway/1-1.log>"
WRITE = rf'7 pwrite64({_FILE}, "\0\1{{\"at\":1,\"fields\":{{\"request\":\"{_ID}\"}},\"type\":\"access.intent\"}}", 99, 0) = 99'
SYNC = f"7 fdatasync({_FILE}) = 0"
SYNC_BEGINS = f"7 fdatasync({_FILE} <unfinished ...>"
SYNC_ENDS = "7 <... fdatasync resumed>) = 0"
SYNC_FAILS = "7 <... fdatasync resumed>) = -1 EIO (Input/output error)"
ASK = (
    r'5 sendto(12<TCP:[127.0.0.1:4000->127.0.0.1:90]>, "GET /Patient/mark-1 HTTP/1.1\r\n'
    rf'x-request-id: {_ID}\r\n\r\n", 60, 0, NULL, 0) = 60'
)
ANSWER = r'5 sendto(13<TCP:[127.0.0.1:80->127.0.0.1:5000]>, "HTTP/1.1 200 OK\r\n\r\n{\"id\":\"mark-1\"}", 40, 0, NULL, 0) = 40'
HEAD = r'5 sendto(13<TCP:[127.0.0.1:80->127.0.0.1:5000]>, "HTTP/1.1 200 OK\r\n\r\n", 19, 0, NULL, 0) = 19'
BODY = r'5 sendto(13<TCP:[127.0.0.1:80->127.0.0.1:5000]>, "{\"id\":\"mark-1\"}", 15, 0, NULL, 0) = 15'
COMPLETED = WRITE.replace("access.intent", "record.completed")
COPY = (WRITE.replace("/journal/gateway/1-1.log", "/search.db"), SYNC.replace("/journal/gateway/1-1.log", "/search.db"))
OTHER = SYNC.replace("1-1.log", "1-2.log")

GOOD = {
    "one after another": [WRITE, SYNC, ASK, ANSWER],
    "the sync overlaps with other work": [WRITE, SYNC_BEGINS, SYNC_ENDS, ASK, HEAD, BODY],
}
BAD = {
    "asked before the write": [ASK, WRITE, SYNC, ANSWER],
    "asked before the sync": [WRITE, ASK, SYNC, ANSWER],
    "asked while the sync runs": [WRITE, SYNC_BEGINS, ASK, SYNC_ENDS, ANSWER],
    "answered while the sync runs": [WRITE, SYNC_BEGINS, ANSWER, SYNC_ENDS, ASK],
    "the answer's head left first": [HEAD, WRITE, SYNC, ASK, BODY],
    "the sync failed": [WRITE, SYNC_BEGINS, SYNC_FAILS, ASK, ANSWER],
    "the sync began before the write": [SYNC_BEGINS, WRITE.replace("7 ", "8 ", 1), SYNC_ENDS, ASK, ANSWER],
    "no sync at all": [WRITE, ASK, ANSWER],
    "another file was synced": [WRITE, OTHER, ASK, ANSWER],
    "only the searchable copy was synced": [*COPY, ASK, ANSWER],
    "another event of the request was written": [COMPLETED, SYNC, ASK, ANSWER],
    "an answer that no system was asked for": [WRITE, SYNC, ANSWER],
}


@pytest.mark.parametrize("lines", GOOD.values(), ids=GOOD)
def test_a_good_order_is_read_as_good(lines: list[str]) -> None:
    """The reader of traces finds nothing in a trace that is in order, and sees all of it."""
    order = read(lines, gateway=80, system=90)
    assert (order.early(), list(order.asked), list(order.answered)) == ([], [_ID], ["mark-1"])


@pytest.mark.parametrize("lines", BAD.values(), ids=BAD)
def test_a_wrong_order_is_noticed(lines: list[str]) -> None:
    """The reader of traces finds each way in which the order can be wrong."""
    assert read(lines, gateway=80, system=90).early() != []
