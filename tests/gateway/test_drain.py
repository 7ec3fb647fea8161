"""SIGTERM while answers are on their way: what was begun is finished, nothing new begins, and the end is in good order."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.journey.browser import Browser
from tests.journey.hospital import Hospital, hospital, system

pytestmark = pytest.mark.counterpart

# Longer than what the gateway waits for to have whole.
FIRST, LAST = b"<p>the beginning" + b"." * 100_000, b"and the end</p>"
PATIENCE = 15.0


@dataclass
class SlowSystem:
    """Sends the beginning of a page, and the rest when it is told to."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def slow_system() -> Iterator[SlowSystem]:
    made = SlowSystem()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append(self.path)
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(FIRST + LAST)))
            self.end_headers()
            self.wfile.write(FIRST)
            self.wfile.flush()
            if "slow" in self.path:
                made.go_on.wait(PATIENCE)
            with contextlib.suppress(OSError):  # a gateway that gave up is what a test may be after
                self.wfile.write(LAST)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    running.start()
    try:
        yield made
    finally:
        made.go_on.set()
        server.shutdown()
        running.join()
        server.server_close()


@dataclass
class Ward:
    place: Hospital
    slow: SlowSystem
    cookie: str

    def ask(self, path: str) -> tuple[HTTPConnection, HTTPResponse]:
        """A connection of its own, and the head of the answer."""
        connection = HTTPConnection("127.0.0.1", self.place.port, timeout=PATIENCE)
        host = self.place.system_url("records").removeprefix("http://")
        connection.request("GET", path, headers={"host": host, "cookie": self.cookie, "sec-fetch-site": "same-origin"})
        return connection, connection.getresponse()

    def terminate(self) -> None:
        assert self.place.process is not None
        self.place.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        assert self.place.process is not None
        return self.place.process.wait(PATIENCE)

    def still_runs(self) -> bool:
        assert self.place.process is not None
        return self.place.process.poll() is None

    def accepts(self) -> bool:
        """Whether somebody who comes now is let in."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.place.port), timeout=5):
            return True
        return False


@contextlib.contextmanager
def ward(folder: Path, **gateway: str) -> Iterator[Ward]:
    with slow_system() as slow, Browser() as browser:
        records = system(
            "records",
            "fhir",
            f"http://127.0.0.1:{slow.port}",
            options={"base": "fhir", "pages": "/viewer/"},
            guard="off: what passes is compared byte by byte",
        )
        with hospital(folder, [records], gateway=gateway) as place:
            place.sign_on(browser, "n.okoye")
            url = place.system_url("records")
            assert browser.get(f"{url}/viewer/index.html").content == FIRST + LAST
            jar = browser.cookies[url.removeprefix("http://")]
            yield Ward(place, slow, "; ".join(f"{name}={value}" for name, value in jar.items()))


def closed(kept: HTTPConnection) -> bool:
    """Whether a request on a kept connection gets no answer any more."""
    assert kept.sock is not None
    try:
        kept.sock.sendall(b"GET /viewer/again.html HTTP/1.1\r\nhost: x\r\n\r\n")
        return kept.sock.recv(100) == b""
    except ConnectionError:
        return True


def until(true: Any) -> None:
    """Wait for the thing."""
    late = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < late, "it never came"
        time.sleep(0.02)


def test_what_was_begun_is_finished_and_nobody_new_is_let_in(tmp_path: Path) -> None:
    """Half of a page is out when the signal comes: the other half follows, the rest of the world is turned away, exit 0."""
    with ward(tmp_path) as here:
        connection, answer = here.ask("/viewer/slow.html")
        assert answer.read(len(FIRST)) == FIRST
        assert here.place.ready()[0] == 200
        here.terminate()
        until(lambda: not here.accepts())
        status, parts = here.place.ready()
        assert (status, parts["ready"], parts["draining"]) == (503, False, "yes")
        assert here.still_runs()
        here.slow.go_on.set()
        assert answer.read() == LAST
        connection.close()
        assert here.ended() == 0
        assert [path for path in here.slow.asked if "slow" in path] == ["/viewer/slow.html"]
        (done,) = [e for e in here.place.events(type="record.completed") if e["bytes"] == len(FIRST + LAST)][-1:]
        begun = here.place.events(type="access.intent")[-1]
        assert (begun["target"], done["request"]) == ("/viewer/slow.html", begun["request"])


def test_the_journal_is_closed_behind_the_last_answer(tmp_path: Path) -> None:
    """The end is the last event, the segment is closed in good order, and the shift goes on after a start."""
    with ward(tmp_path) as here:
        here.terminate()
        assert here.ended() == 0
        assert here.place.events()[-1]["type"] == "audit.read"  # our own question
        assert [e["type"] for e in here.place.events() if e["writer"] == "gateway"][-1] == "gateway.stopped"
        report = json.loads(here.place.lanyard("audit", "verify", "--json").stdout)
        gateway = next(w for w in report["writers"] if w["name"] == "gateway")
        assert (report["whole"], gateway["orderly"]) == (True, True)
        here.place.start()
        connection, answer = here.ask("/viewer/index.html")
        assert (answer.status, answer.read()) == (200, FIRST + LAST)
        connection.close()


def test_an_idle_connection_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A browser that keeps its connection open is told that it is over: the gateway ends without it."""
    with ward(tmp_path, drain="15s") as here:
        connection, answer = here.ask("/viewer/index.html")
        answer.read()
        here.terminate()
        assert here.ended() == 0
        assert closed(connection)
        connection.close()


def test_a_connection_that_was_kept_is_given_no_new_request(tmp_path: Path) -> None:
    """While another answer is finished, a kept connection is closed, not served."""
    with ward(tmp_path) as here:
        kept, first = here.ask("/viewer/index.html")
        first.read()
        connection, answer = here.ask("/viewer/slow.html")
        assert answer.read(len(FIRST)) == FIRST
        here.terminate()
        until(lambda: not here.accepts())
        assert closed(kept)
        assert not any("again" in path for path in here.slow.asked)
        here.slow.go_on.set()
        assert answer.read() == LAST
        for one in (kept, connection):
            one.close()
        assert here.ended() == 0


def test_an_answer_that_does_not_end_is_cut_short_when_the_time_is_up(tmp_path: Path) -> None:
    """After `gateway.drain` the client sees that the page is not whole, and the journal says so."""
    with ward(tmp_path, drain="1s") as here:
        connection, answer = here.ask("/viewer/slow.html")
        assert answer.read(len(FIRST)) == FIRST
        here.terminate()
        with pytest.raises((OSError, HTTPException)):
            answer.read()
        connection.close()
        assert here.ended() == 0
        assert here.place.events(type="gateway.stopped")
        request = next(e["request"] for e in here.place.events(type="access.intent") if "slow" in e["target"])
        (outcome,) = [e for e in here.place.events(request=request) if e["type"] != "access.intent"]
        assert outcome["type"] == "record.incomplete"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_either_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a service manager are answered alike."""
    with ward(tmp_path) as here:
        assert here.place.stop(number) == 0
        assert here.place.events(type="gateway.stopped")
