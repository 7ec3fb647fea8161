"""What docs/faults.md asks of the balancer is done by both that deploy/two-machines has files for, as they stand there."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest

from demo.ports import free_port
from tests.counterparts.processes import missing

from .authority import Authority
from .shipped import BALANCERS, balancer_of, moved, whole
from .stand_in import StandIn

pytestmark = pytest.mark.counterpart

PUBLIC = "records.example.nhs.uk"
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}


@dataclass
class Front:
    """A running balancer, and the two behind it: it prefers the first."""

    port: int
    trusted: ssl.SSLContext
    own: StandIn
    other: StandIn

    def connection(self, host: str = PUBLIC) -> HTTPSConnection:
        """A browser's, by the name that it asks for."""
        made = HTTPSConnection(host, self.port, timeout=20)
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        made.sock = self.trusted.wrap_socket(plain, server_hostname=host)
        return made

    def ask(
        self, method: str = "GET", path: str = "/", *, body: bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        with contextlib.closing(self.connection()) as browser:
            answer = self.asked(browser, method, path, body, **headers)
            return answer.status, answer.read().decode()

    def asked(
        self, browser: HTTPSConnection, method: str, path: str = "/", body: bytes | None = None, **headers: str
    ) -> HTTPResponse:
        browser.request(method, path, body, {"host": PUBLIC, **{k.replace("_", "-"): v for k, v in headers.items()}})
        return browser.getresponse()

    @property
    def seen(self) -> list[str]:
        """What came to either."""
        return [f"{one.method} {one.path}" for place in (self.own, self.other) for one in place.seen]


@pytest.fixture(params=sorted(BALANCERS))
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    if shutil.which(request.param) is None:
        missing(PACKAGES[request.param], command=request.param)
    authority = Authority(tmp_path)
    authority.issue("records", PUBLIC, f"*.{PUBLIC}")
    authority.issue("gateway", "lanyard.internal")
    (tmp_path / "records.pem").write_bytes(
        (tmp_path / "records.crt").read_bytes() + (tmp_path / "records.key").read_bytes()
    )
    public, plain, here, port, ops = (free_port() for _ in range(5))
    places = {"/etc/lanyard/tls": str(tmp_path), "/var/log/nginx": str(tmp_path), "8443": str(port), "9090": str(ops)}
    places |= {"10.20.0.1": "127.0.0.1", "listen 443 ": f"listen {public} ", "bind :443 ": f"bind :{public} "}
    places |= {"listen 80;": f"listen {plain};", "bind :80": f"bind :{plain}", "127.0.0.1:8081": f"127.0.0.1:{here}"}
    command = whole(tmp_path, request.param, moved(balancer_of("gw1", request.param), places))
    own, other = StandIn("127.0.0.11"), StandIn("127.0.0.12")
    with contextlib.ExitStack() as running:
        running.enter_context(own.serving(tmp_path, port, ops))
        running.enter_context(other.serving(tmp_path, port, ops))
        with (tmp_path / "balancer.log").open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        running.callback(process.wait)
        running.callback(process.terminate)
        made = Front(public, ssl.create_default_context(cafile=tmp_path / "ca.crt"), own, other)
        until(lambda: answers(made), "the balancer serves")
        own.seen.clear()
        other.seen.clear()
        yield made


def until(true: Callable[[], bool], what: str, within: float = 20.0) -> None:
    ends = time.monotonic() + within
    while not true():
        assert time.monotonic() < ends, what
        time.sleep(0.05)


def answers(front: Front) -> bool:
    try:
        return front.ask()[0] == 200
    except OSError:
        return False


def test_its_own_gateway_is_asked_and_told_who_asks(front: Front) -> None:
    """The browser's address is set, and what a browser writes there itself, or of a certificate, does not arrive."""
    forged = front.ask(x_forwarded_for="192.0.2.66", x_forwarded_proto="http", x_ssl_client_verify="SUCCESS")
    assert forged == (200, front.own.address)
    (one,) = front.own.seen
    assert one.headers["x-forwarded-for"] == "127.0.0.1"
    assert one.headers["x-forwarded-proto"] == "https"
    assert one.headers["host"] == PUBLIC
    assert not one.headers.get("x-ssl-client-verify")


def test_another_name_is_nobodys(front: Front) -> None:
    """Told 421, also a name that only ends alike, and no gateway hears of it."""
    for name in ("evil.example", f"evil{PUBLIC}"):
        assert front.ask(host=name)[0] == 421
    assert front.ask(host=f"epr.{PUBLIC}")[0] == 200
    assert len(front.seen) == 1


def test_a_read_is_passed_on_where_the_connection_breaks(front: Front) -> None:
    """Its own gateway takes it and dies: the other one answers, and nobody notices."""
    front.own.breaks = True
    assert front.ask(path="/record") == (200, front.other.address)
    assert "GET /record" in [f"{one.method} {one.path}" for one in front.own.seen]


def test_a_read_goes_to_the_other_where_its_own_takes_no_connection(front: Front) -> None:
    """As while it is upgraded; writes too, since nothing was sent."""
    front.own.stop()
    assert front.ask() == (200, front.other.address)
    assert front.ask("POST", body=b"text") == (200, front.other.address)


@pytest.mark.parametrize(("method", "body"), [("POST", b"text"), ("POST", b""), ("PUT", b"text"), ("DELETE", b"")])
def test_a_write_is_never_sent_twice(front: Front, method: str, body: bytes) -> None:
    """A gateway takes it and dies: it came once, and whoever sent it reads that nobody knows, and may look."""
    front.own.breaks = True
    with contextlib.closing(front.connection()) as browser:
        answer = front.asked(browser, method, "/note", body, content_length=str(len(body)))
        said = answer.read().decode()
        assert answer.status in (502, 503)
        assert answer.headers["retry-after"] == "3"
        assert "no-store" in answer.headers["cache-control"]
    assert "it may have arrived" in said
    assert "href=''>Try again" in said
    time.sleep(1.5)  # what is looked at: whether it is sent again behind our back
    assert front.seen == [f"{method} /note"]


def test_each_write_has_a_connection_of_its_own(front: Front) -> None:
    """One that was kept may be closed under it; reads keep theirs."""
    with contextlib.closing(front.connection()) as browser:
        for method in ("GET", "POST", "GET", "PUT", "POST", "GET", "DELETE"):
            front.asked(browser, method, "/", None if method == "GET" else b"text").read()
    reads = [one.connection for one in front.own.seen if one.method == "GET"]
    writes = [one.connection for one in front.own.seen if one.method != "GET"]
    assert len(set(writes)) == len(writes) == 4
    assert not set(writes) & set(reads)
    assert len(set(reads)) == 1


def test_an_answer_is_passed_on_as_it_comes(front: Front) -> None:
    """The first event is there while the second is not yet written."""
    with contextlib.closing(front.connection()) as browser:
        answer = front.asked(browser, "GET", "/stream")
        assert answer.read1(7) == b"first\n\n"
        front.own.go_on.set()
        assert answer.read() == b"last\n\n"


def test_an_upload_is_passed_on_as_it_comes(front: Front) -> None:
    """Its first half is at the gateway before the second is sent."""
    with contextlib.closing(front.connection()) as browser:
        browser.putrequest("POST", "/upload", skip_host=True)
        for name, value in (("host", PUBLIC), ("content-length", "200000")):
            browser.putheader(name, value)
        browser.endheaders(b"x" * 100_000)
        assert front.own.half.wait(10)
        browser.send(b"x" * 100_000)
        assert browser.getresponse().status == 200


def test_a_stream_is_not_cut_while_its_gateway_drains(front: Front) -> None:
    """It is not ready and takes nobody new: what it has begun goes to its end, and all others are served by the other gateway."""
    with contextlib.closing(front.connection()) as browser:
        answer = front.asked(browser, "GET", "/stream")
        assert answer.read1(7) == b"first\n\n"
        front.own.ready = False
        front.own.stop()
        for method in ("GET", "POST") * 5:
            assert front.ask(method, body=b"text" if method == "POST" else None) == (200, front.other.address)
        front.own.go_on.set()
        assert answer.read() == b"last\n\n"


def test_words_where_no_gateway_answers(front: Front) -> None:
    """Also who only reads is told, with a way to try again."""
    front.own.stop()
    front.other.stop()
    status, said = front.ask()
    assert status in (502, 503)
    assert "not reached just now" in said
    assert "downtime" in said
