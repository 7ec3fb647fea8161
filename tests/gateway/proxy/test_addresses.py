"""Which resolved addresses may be connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest

from connectors.messages import UpstreamRequest
from gateway.errors import UpstreamUnavailable
from gateway.proxy.addresses import allowed
from gateway.proxy.origin import Origin
from tests.gateway.proxy.scripted import plays, transport, upstream

NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", NEVER)
def test_no_configuration_reaches_metadata_or_link_local(address: str) -> None:
    """Cloud metadata hands out credentials: no spelling of its address is reached, even when `networks` is everything."""
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert not allowed(address, ())
    assert not allowed(address, everything)


@pytest.mark.parametrize("address", ["10.1.1.1", "127.0.0.1", "::1", "192.168.7.9", "2001:db8::1", "::ffff:10.1.1.1"])
def test_without_networks_any_other_address_is_as_configured(address: str) -> None:
    """Hospitals' systems live on private addresses, and on the gateway's own machine."""
    assert allowed(address, ())


def test_networks_bound_where_a_system_may_be() -> None:
    """An address outside is not connected to, whatever the name says; a mapped spelling is the same address."""
    networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd12::/16"))
    assert [allowed(a, networks) for a in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::9")] == [True] * 3
    assert [allowed(a, networks) for a in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "fd13::9")] == [False] * 4


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
GET = UpstreamRequest("GET", b"/", ((b"host", b"pas"),))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The loop's resolver gives each of `answers` in turn; returns the names asked for."""
    asked: list[str] = []
    turns = iter(answers)

    async def getaddrinfo(host: str, port: int, **kinds: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(turns)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return asked


async def test_a_name_that_leads_elsewhere_later_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONFIG-016: the address is judged at each connection, and the one that was judged is the one connected to."""
    skip_on_uvloop()
    async with upstream(plays(OK)) as up, transport() as t:
        asked = resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        origin = Origin("http", "legacy.test", up.port)
        assert (await t.send(origin, GET)).body.whole == b"ok"
        with pytest.raises(UpstreamUnavailable, match="networks") as told:
            await t.send(origin, GET)
    assert not told.value.sent
    assert asked == ["legacy.test", "legacy.test"]  # once for each connection: nothing resolves it again


async def test_an_address_outside_is_passed_over_for_one_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses only the allowed are tried, one after the other."""
    skip_on_uvloop()
    async with upstream(plays(OK)) as up, transport() as t:
        resolving(monkeypatch, ["169.254.169.254", "127.0.0.2", "127.0.0.1"])
        networks = (ipaddress.ip_network("127.0.0.0/8"),)
        origin = Origin("http", "legacy.test", up.port, networks=networks)
        assert (await t.send(origin, GET)).body.whole == b"ok"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
async def test_odd_spellings_of_loopback_are_judged_by_what_they_mean(host: str) -> None:
    """CONFIG-003 to 005, where they come as far as a connection: outside `networks` nothing is connected to."""
    async with upstream(plays(OK)) as up, transport() as t:
        origin = Origin("http", host, up.port, networks=(ipaddress.ip_network("10.0.0.0/8"),))
        with pytest.raises(UpstreamUnavailable):
            await t.send(origin, GET)
    assert up.peers == []


async def test_a_name_that_does_not_exist_is_unavailable() -> None:
    """A resolver's no is told as the system's absence, not as a crash."""
    async with transport() as t:
        with pytest.raises(UpstreamUnavailable) as told:
            await t.send(Origin("http", "nowhere.invalid", 80), GET)
    assert not told.value.sent


async def test_localhost_is_reached_on_whichever_address_listens() -> None:
    """`localhost` may be ::1 first, where an old server does not listen."""
    async with upstream(plays(OK)) as up, transport() as t:
        assert (await t.send(Origin("http", "localhost", up.port), GET)).body.whole == b"ok"


def skip_on_uvloop() -> None:
    if type(asyncio.get_running_loop()).__module__.startswith("uvloop"):
        pytest.skip("uvloop's resolver cannot be replaced; the pool is the same on both loops")
