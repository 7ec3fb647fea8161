"""The httpx2 face of the transport, as connectors get it."""

from __future__ import annotations

import asyncio

import pytest

from connectors.errors import SystemMisbehaves
from gateway.errors import UpstreamUnavailable
from gateway.proxy.client import UpstreamTransport, client
from tests.gateway.proxy.scripted import Peer, plays, transport, upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
COOKIE = b"HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=%s; Path=/\r\nContent-Length: 2\r\n\r\nok"


async def test_a_connector_reads_and_writes_through_our_transport() -> None:
    """Method, target, headers and body arrive; status, headers and body come back."""
    answer = b"HTTP/1.1 201 Created\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with upstream(plays(answer)) as up, transport() as t, client(UpstreamTransport(t, up.origin())) as http:
        got = await http.post(f"http://127.0.0.1:{up.port}/a/%2F?b=%20c", content=b"note", headers={"x-b": "1"})
    assert (got.status_code, got.headers["x-a"], got.text) == (201, "b", "ok")
    assert up.peers[0].received.startswith(b"POST /a/%2F?b=%20c HTTP/1.1\r\n")
    assert b"x-b: 1\r\n" in up.peers[0].received
    assert up.peers[0].received.endswith(b"content-length: 4\r\n\r\nnote")


async def test_two_clients_share_no_cookie() -> None:
    """One clinician's session cookie is never sent for another: each client has a jar of its own."""
    async with upstream(plays(COOKIE % b"of-one", OK, OK)) as up, transport() as t:
        reach = UpstreamTransport(t, up.origin())
        url = f"http://127.0.0.1:{up.port}/"
        async with client(reach) as one, client(reach) as two:
            await one.get(url)
            await two.get(url)
            await one.get(url)
    asked = up.peers[0].received.split(b"\r\n\r\n")
    assert [b"of-one" in each for each in asked[:3]] == [False, False, True]


async def test_a_shared_client_would_be_noticed() -> None:
    """The canary: one httpx2 client for two clinicians does send one's cookie for the other."""
    async with (
        upstream(plays(COOKIE % b"of-one", OK)) as up,
        transport() as t,
        client(UpstreamTransport(t, up.origin())) as shared,
    ):
        for _ in ("one", "two"):
            await shared.get(f"http://127.0.0.1:{up.port}/")
    assert [b"of-one" in each for each in up.peers[0].received.split(b"\r\n\r\n")[:2]] == [False, True]


async def test_redirects_are_not_followed() -> None:
    """Where a log-on leads is the connector's to judge."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n"
    async with upstream(plays(moved)) as up, transport() as t, client(UpstreamTransport(t, up.origin())) as http:
        got = await http.get(f"http://127.0.0.1:{up.port}/")
    assert got.status_code == 302


async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpoxy and a forgotten variable: records go straight to their system."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with upstream(plays(OK)) as up, transport() as t, client(UpstreamTransport(t, up.origin())) as http:
        assert (await http.get(f"http://127.0.0.1:{up.port}/")).text == "ok"


async def test_a_streamed_answer_that_is_left_closes_its_connection() -> None:
    """What a connector does not read is not left for the next."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        await peer.rest()

    async with upstream(script) as up, transport() as t, client(UpstreamTransport(t, up.origin())) as http:
        async with http.stream("GET", f"http://127.0.0.1:{up.port}/"):
            pass
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)


async def test_faults_are_ours() -> None:
    """A connector sees one kind of error, whichever face it uses."""
    async with (
        upstream(plays(b"nonsense\r\n\r\n")) as up,
        transport() as t,
        client(UpstreamTransport(t, up.origin())) as http,
    ):
        with pytest.raises(SystemMisbehaves):
            await http.get(f"http://127.0.0.1:{up.port}/")
    async with transport() as t, client(UpstreamTransport(t, up.origin())) as http:
        with pytest.raises(UpstreamUnavailable):
            await http.get(f"http://127.0.0.1:{up.port}/")


async def test_another_host_that_the_configuration_names_gets_its_own_pool() -> None:
    """A token endpoint elsewhere is reached by name, and shares nothing with the system."""
    async with (
        upstream(plays(OK)) as system,
        upstream(plays(OK, OK)) as tokens,
        transport() as t,
        client(UpstreamTransport(t, system.origin(base_path=b"/fhir"))) as http,
    ):
        await http.get(f"http://127.0.0.1:{tokens.port}/token")
        await http.get(f"http://127.0.0.1:{tokens.port}/token")
        await http.get(f"http://127.0.0.1:{system.port}/fhir/metadata")
    assert len(tokens.peers) == 1
    assert system.peers[0].received.startswith(b"GET /fhir/metadata HTTP/1.1\r\n")
