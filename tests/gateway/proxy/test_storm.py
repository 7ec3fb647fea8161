"""Clinicians close tabs: thousands of requests, many cancelled at any moment, through a slow system. No answer goes astray."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from connectors.errors import ConnectorError
from connectors.messages import Body, UpstreamRequest
from gateway.errors import UpstreamUnavailable
from gateway.proxy.connection import Connection
from gateway.proxy.exchange import Exchange
from gateway.proxy.origin import Origin
from gateway.proxy.upstream import Transport
from tests.gateway.proxy.scripted import Peer, transport, upstream

REQUESTS = 4000
AT_ONCE = 64


@dataclass
class Tally:
    right: int = 0
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)
    cancelled: int = 0  # while the system had the request
    failed: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))


async def slow(peer: Peer) -> None:
    """Answers each request with its own number, late, in one of four forms."""
    dice = random.Random(11)
    while True:
        raw = await peer.request()
        number = raw.split(b" ", 2)[1][1:]
        if not number.isdigit():
            return  # what a careless pool has mixed up
        await asyncio.sleep(dice.random() * 0.004)
        form = int(number) % 4
        body = number + b" " + b"x" * (100 if form < 2 else 70_000)
        if form % 2:
            cut = len(body) // 2
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (cut, body[:cut]))
            await asyncio.sleep(dice.random() * 0.002)
            await peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - cut, body[cut:]))
        else:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def request(number: int) -> UpstreamRequest:
    async def source() -> AsyncIterator[bytes]:
        yield b"note="
        await asyncio.sleep(0)
        yield b"%d" % number

    target, headers = b"/%d" % number, ((b"host", b"pas"),)
    if number % 5 == 0:
        return UpstreamRequest("POST", target, headers, Body(source()))
    return UpstreamRequest("GET", target, headers)


async def ask(t: Transport, origin: Origin, number: int) -> bytes:
    answer = await t.send(origin, request(number))
    try:
        return b"".join([chunk async for chunk in answer.body.chunks()]).partition(b" ")[0]
    finally:
        answer.close()


async def one(t: Transport, origin: Origin, number: int, tally: Tally) -> None:
    asking = asyncio.create_task(ask(t, origin, number))
    if tally.dice.random() < 0.4:
        await asyncio.wait([asking], timeout=tally.dice.random() * 0.005)
        tally.cancelled += asking.cancel()
    try:
        said = await asking
    except asyncio.CancelledError:
        return
    except ConnectorError:
        tally.failed += 1
        return
    if said == b"%d" % number:
        tally.right += 1
    else:
        tally.wrong.append((b"%d" % number, said))


async def storm(requests: int = REQUESTS, read_timeout: float = 30.0) -> Tally:
    tally = Tally()
    numbers = iter(range(requests))

    async def worker(t: Transport, origin: Origin) -> None:
        for number in numbers:
            await one(t, origin, number, tally)

    async with upstream(slow) as up, transport() as t:
        origin = up.origin(read_timeout=read_timeout)
        await asyncio.gather(*[worker(t, origin) for _ in range(AT_ONCE)])
    return tally


@pytest.mark.slow
async def test_no_answer_reaches_another_request_whatever_is_cancelled_when() -> None:
    """Every answer carries its own request's number, and no request fails for another's cancelling."""
    tally = await storm()
    assert tally.wrong == []
    assert tally.failed == 0
    assert tally.cancelled > REQUESTS // 10
    assert tally.right == REQUESTS - tally.cancelled


@pytest.mark.slow
async def test_the_storm_tells_a_pool_that_keeps_cancelled_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: a build that puts a cancelled request's connection back gives people each other's answers, and is found."""

    def keep(self: Connection, exchange: Exchange, error: Exception | None = None) -> None:
        if self._exchange is exchange:
            self._exchange = None
            exchange.fail(UpstreamUnavailable("cancelled", sent=True))
            self._owner.give_back(self)

    monkeypatch.setattr(Connection, "give_up", keep)
    tally = await storm(requests=500, read_timeout=0.2)
    assert len(tally.wrong) > 0
