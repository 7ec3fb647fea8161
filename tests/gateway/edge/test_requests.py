"""A request with one reading, for one of our hosts, with a known method, reaches the app unchanged; all else is refused."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.gateway.edge import cases, raw
from tests.gateway.edge.test_smuggling import hold
from tests.gateway.proxy.test_tls import Authority


@pytest.mark.parametrize("case", cases.SYNTAX, ids=lambda case: case.id)
def test_nothing_malformed_is_repaired(gate: raw.Listening, case: cases.Case) -> None:
    """What is not exactly HTTP/1.1 in origin form is refused, never put right."""
    if case.fin:
        found = gate.ask(case.sent, fin=True)
        assert (found.statuses, found.closed, gate.seen) == ([], True, [])
    else:
        hold(gate, case)


@pytest.mark.parametrize("case", cases.HOSTS, ids=lambda case: case.id)
def test_only_a_configured_host_is_answered_for(gate: raw.Listening, case: cases.Case) -> None:
    """A Host selects its own site or none; no request falls to a default."""
    request = hold(gate, case)
    assert request is None or request.site == "pas"


@pytest.mark.parametrize("case", cases.METHODS, ids=lambda case: case.id)
def test_only_known_methods_are_carried(gate: raw.Listening, case: cases.Case) -> None:
    """A method that nobody has thought about is refused rather than allowed by default."""
    request = hold(gate, case)
    assert request is None or request.method == case.sent.partition(b" ")[0].decode()


OPAQUE = {
    "RAW-153": b"Range: bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 4000, 2)) + b"\r\n",
    "RAW-156": b'Content-Type: application/x-www-form-urlencoded; !="' + b'\\"' * 5000 + b"\r\n",
    "RAW-159": b"Accept-Language: " + b"a-" * 7000 + b"\r\n",
}


@pytest.mark.parametrize("header", OPAQUE.values(), ids=OPAQUE.keys())
def test_a_value_is_not_read_without_need(gate: raw.Listening, header: bytes) -> None:
    """Values that make parsers slow are bytes to us: they pass as they came."""
    assert gate.ask(cases.get(header)).statuses == [200]
    assert header.partition(b": ")[2].strip() in {value for _, value in gate.seen[0].headers}


FORWARDED = {
    "HTTP-106": b"X-Real-IP: 10.0.0.1",
    "HTTP-107": b"Forwarded: for=127.0.0.1;proto=https;host=admin.records.test",
    "HTTP-109": b"X-Forwarded-Proto: HTTPS, http",
    "HTTP-110": b"X-Forwarded-Host: path.records.test",
    "HTTP-111": b"X-Forwarded-Port: 1",
    "HTTP-114": b"X-Cluster-Client-IP: 10.0.0.1",
    "HTTP-115": b"X-Forwarded-For: " + b", ".join([b"4.4.4.4"] * 500),
    "HTTP-116": b"X-Forwarded-For: ::ffff:10.0.0.1",
    "HTTP-117": b"X-Forwarded-For: '\"><script>",
}


@pytest.mark.parametrize("header", FORWARDED.values(), ids=FORWARDED.keys())
def test_who_asks_and_where_is_not_taken_from_a_header(gate: raw.Listening, header: bytes) -> None:
    """The peer is the socket's, site and scheme are the configuration's; which proxy is believed is decided elsewhere."""
    assert gate.ask(cases.get(header + b"\r\n")).statuses == [200]
    (request,) = gate.seen
    assert (request.client, request.scheme, request.site) == ("127.0.0.1", "https", "pas")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_browser_may_come_by_ipv6() -> None:
    """OK-316: the peer's address is told in its own form."""
    with raw.listening(address="::1") as gate:
        assert gate.ask(cases.get()).statuses == [200]
        assert gate.seen[0].client == "::1"


def test_the_server_speaks_tls_itself(tmp_path: Path) -> None:
    """With a certificate the same rules hold inside TLS, and nothing is answered outside of it."""
    authority = Authority(tmp_path)
    authority.server("pas.records.test")
    own = str(tmp_path / "server.pem")
    trust = ssl.create_default_context(cafile=str(authority.pem))
    with raw.listening(tls_cert=own, tls_key=own) as gate:
        for sent, status in ((cases.get(), b"200"), (cases.SMUGGLING[0].sent, b"400")):
            with (
                socket.create_connection(gate.address, timeout=raw.PATIENCE) as plain,
                trust.wrap_socket(plain, server_hostname="pas.records.test") as private,
            ):
                private.sendall(sent)
                assert private.recv(1000)[9:12] == status
        assert gate.ask(cases.get()).statuses == []
        assert len(gate.seen) == 1
