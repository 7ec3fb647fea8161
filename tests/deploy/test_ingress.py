"""The ingress controller's annotations in helm/lanyard/ci/everything.yaml do what docs/faults.md asks of a balancer."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from demo.ports import free_port
from tests.counterparts.processes import missing

from .authority import Authority
from .stand_in import StandIn

pytestmark = pytest.mark.counterpart

SET = Path(__file__).parents[2] / "helm" / "lanyard" / "ci" / "everything.yaml"
_CONTROLLER = """
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend public
    bind 127.0.0.1:{public}
    default_backend pods
backend pods
    balance roundrobin
{snippet}
    server SRV_1 127.0.0.11:{port} ssl verify none
    server SRV_2 127.0.0.12:{port} ssl verify none
"""


def snippet() -> str:
    """The lines that the controller puts into the Service's backend."""
    found = re.search(r"backend-config-snippet: \|\n((?: {6}.*\n)+)", SET.read_text())
    assert found
    return textwrap.indent(textwrap.dedent(found[1]), "    ")


def listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def public(tmp_path: Path) -> Iterator[tuple[int, StandIn, StandIn]]:
    """A HAProxy's port, as the controller would set it up, and two pods behind it."""
    if shutil.which("haproxy") is None:
        missing("haproxy", command="haproxy")
    Authority(tmp_path).issue("gateway", "lanyard.internal")
    port, listens, ops = free_port(), free_port(), free_port()
    (tmp_path / "haproxy.cfg").write_text(_CONTROLLER.format(public=listens, port=port, snippet=snippet()))
    one, other = StandIn("127.0.0.11"), StandIn("127.0.0.12")
    with one.serving(tmp_path, port, ops), other.serving(tmp_path, port, ops):
        process = subprocess.Popen(["haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")])
        try:
            ends = time.monotonic() + 20
            while not listening(listens):
                assert time.monotonic() < ends
                time.sleep(0.05)
            yield listens, one, other
        finally:
            process.terminate()
            process.wait()


def asked(port: int, method: str, times: int = 1) -> list[int]:
    """One browser's requests, which forges where it is."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=20)) as browser:
        found = []
        for _ in range(times):
            body = None if method == "GET" else b"text"
            browser.request(method, "/", body, {"x-forwarded-for": "192.0.2.66", "x-ssl-client-verify": "SUCCESS"})
            answer = browser.getresponse()
            answer.read()
            found.append(answer.status)
    return found


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_write_is_sent_once_and_alone(public: tuple[int, StandIn, StandIn], method: str) -> None:
    """To a pod that dies under it, and to none after it; and each on a connection of its own."""
    port, one, other = public
    assert asked(port, method, 6) == [200] * 6
    for place in (one, other):
        assert len({seen.connection for seen in place.seen}) == len(place.seen)
        place.seen.clear()
        place.breaks = True
    assert asked(port, method) == [502]
    assert len(one.seen) + len(other.seen) == 1


def test_a_read_is_passed_on(public: tuple[int, StandIn, StandIn]) -> None:
    """Whichever pod dies."""
    port, one, other = public
    one.breaks = True
    assert asked(port, "GET", 6) == [200] * 6
    assert one.seen
    assert len(other.seen) == 6


def test_the_browser_s_address_is_set(public: tuple[int, StandIn, StandIn]) -> None:
    """What it writes there itself does not arrive, nor a certificate's words."""
    port, one, other = public
    asked(port, "GET")
    (seen,) = one.seen + other.seen
    assert seen.headers["x-forwarded-for"] == "127.0.0.1"
    assert "x-ssl-client-verify" not in seen.headers
