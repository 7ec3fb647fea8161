"""Exchanges with an upstream that plays exact bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from connectors.errors import SystemMisbehaves, SystemUnavailable
from connectors.messages import Body, UpstreamRequest, UpstreamResponse
from gateway.errors import ClientGone, UpstreamUnavailable
from gateway.proxy import connection as connections
from gateway.proxy import pool as pools
from gateway.proxy.origin import Origin
from gateway.proxy.upstream import encoded
from tests.gateway.proxy.scripted import Peer, plays, transport, until, upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"
CANARY = b"RECORD-CANARY"


def get(target: bytes = b"/", method: str = "GET") -> UpstreamRequest:
    return UpstreamRequest(method, target, ((b"host", b"pas"),))


def post(*chunks: bytes, length: int | None = None, fails: Exception | None = None) -> UpstreamRequest:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if fails is not None:
            raise fails

    return UpstreamRequest("POST", b"/notes", ((b"host", b"pas"),), Body(source()), length)


async def read(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.body.chunks()])


async def into(seen: list[bytes], response: UpstreamResponse) -> None:
    async for chunk in response.body.chunks():
        seen.append(chunk)


# What is written


async def test_the_target_and_headers_arrive_as_they_were_given() -> None:
    """What was judged is sent, byte by byte: nothing on the way re-encodes it."""
    target = b'/a%2Fb/../"{}|^\xe4?q=a+b&&q=%zz'
    async with upstream(plays(OK)) as up, transport() as t:
        await t.send(
            up.origin(), UpstreamRequest("GET", target, ((b"host", b"pas"), (b"x-a", b"1"), (b"x-a", b"\xe4")))
        )
    assert up.peers[0].received == b"GET " + target + b" HTTP/1.1\r\nhost: pas\r\nx-a: 1\r\nx-a: \xe4\r\n\r\n"


async def test_a_base_path_stands_before_the_target() -> None:
    """A system that lives below a path is asked below it."""
    async with upstream(plays(OK)) as up, transport() as t:
        await t.send(up.origin(base_path=b"/pas"), get(b"//evil.test/x"))
    assert up.peers[0].received.startswith(b"GET /pas//evil.test/x HTTP/1.1\r\n")


async def test_a_target_that_names_another_host_stays_with_this_one() -> None:
    """CONFIG-018: `//evil.test/x` is a path; nothing joins it to an address."""
    async with upstream(plays(OK)) as up, transport() as t:
        await t.send(up.origin(), get(b"//evil.test/x"))
    assert up.peers[0].received.startswith(b"GET //evil.test/x HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("target", "header"),
    [
        (b"/a b", (b"x-a", b"1")),
        (b"/\r\nX-B: 1", (b"x-a", b"1")),
        (b"/", (b"x-a", b"1\r\nX-B: 1")),
        (b"/", (b"x-a", b"1\nX-B: 1")),
        (b"/", (b"x-a", b"1\0")),
        (b"/", (b"x-a\r", b"1")),
        (b"/", (b"content-length", b"5")),
        (b"/", (b"transfer-encoding", b"chunked")),
        (b"/", (b"connection", b"x-request-id")),
        (b"/", (b"upgrade", b"websocket")),
    ],
)
def test_a_connectors_mistake_cannot_write_a_second_request(target: bytes, header: tuple[bytes, bytes]) -> None:
    """Line ends and framing from a connector are refused before a byte is written."""
    with pytest.raises(ValueError, match="sent to a system"):
        encoded(Origin("http", "127.0.0.1", 80), UpstreamRequest("GET", target, (header,)), b"")


async def test_a_body_in_memory_goes_with_its_length() -> None:
    """Old servers read no chunks: what is known is said."""
    async with upstream(plays(OK)) as up, transport() as t:
        await t.send(up.origin(), UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body.of(b"note=1")))
    assert up.peers[0].received.endswith(b"content-length: 6\r\n\r\nnote=1")


async def test_a_streamed_body_keeps_its_declared_length() -> None:
    """A length that the browser declared is passed on, not turned into chunks."""
    async with upstream(plays(OK)) as up, transport() as t:
        assert (await t.send(up.origin(), post(b"note", b"=1", length=6))).status == 200
    assert up.peers[0].received.endswith(b"content-length: 6\r\n\r\nnote=1")


async def test_a_streamed_body_without_length_goes_in_chunks() -> None:
    """The last chunk is written when the source has ended, and not before."""
    async with upstream(plays(OK)) as up, transport() as t:
        assert (await t.send(up.origin(), post(b"note", b"=1"))).status == 200
    assert up.peers[0].received.endswith(b"transfer-encoding: chunked\r\n\r\n4\r\nnote\r\n2\r\n=1\r\n0\r\n\r\n")


# Writes that end early


@pytest.mark.parametrize("length", [None, 100])
async def test_a_write_whose_browser_goes_away_is_never_completed(length: int | None) -> None:
    """HTTPX-320: half a prescription does not become a whole one; the connection is closed instead."""
    async with upstream(plays(OK)) as up, transport() as t:
        with pytest.raises(ClientGone):
            await t.send(up.origin(), post(b"first half", length=length, fails=ClientGone()))
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    body = up.peers[0].received.partition(b"\r\n\r\n")[2]
    assert b"\r\n0\r\n" not in body
    assert len(body) < 100
    assert len(up.peers) == 1


async def test_a_broken_chunk_of_the_browsers_aborts_the_write() -> None:
    """HTTPX-321: after a megabyte of good chunks too."""

    async def script(peer: Peer) -> None:
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        with pytest.raises(ClientGone):
            await t.send(up.origin(), post(*[b"x" * 65536] * 16, fails=ClientGone()))
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert b"\r\n0\r\n" not in up.peers[0].received


@pytest.mark.parametrize("chunks", [(b"too short",), (b"longer than ", b"it was declared")])
async def test_a_write_of_another_length_than_declared_is_given_up(chunks: tuple[bytes, ...]) -> None:
    """A length that does not hold would shift where the next request begins."""
    async with upstream(plays(OK)) as up, transport() as t:
        with pytest.raises(SystemUnavailable):
            await t.send(up.origin(), post(*chunks, length=20))
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert len(up.peers[0].received.partition(b"\r\n\r\n")[2]) < 20


async def test_an_early_answer_stops_the_write_and_is_told() -> None:
    """A system that refuses a large upload at once is heard at once, and its connection is not used again."""
    asked = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asked.wait()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body(endless())))
        assert (answer.status, await read(answer)) == (413, b"no")
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert not up.peers[0].received.endswith(b"0\r\n\r\n")


async def test_an_early_answer_that_streams_is_read_to_its_end() -> None:
    """Stopping the write does not cut off what the system has to say about it."""
    go = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbad \r\n")
        await go.wait()
        await peer.send(b"4\r\nnote\r\n0\r\n\r\n")
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body(endless())))
        go.set()
        assert (answer.status, await read(answer)) == (400, b"bad note")
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)


async def test_a_system_that_begins_to_agree_early_still_gets_all_of_it() -> None:
    """A 200 that begins while the browser is still sending must not turn half a write into a done one."""
    begun = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"first"
        await begun.wait()
        yield b"second"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
        await peer.until(b"0\r\n\r\n")
        await peer.send(b"4\r\ndone\r\n0\r\n\r\n")
        await peer.request()
        await peer.send(NEXT)

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        answer = await t.send(origin, UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body(source())))
        begun.set()
        assert await read(answer) == b"begundone"
        assert await read(await t.send(origin, get())) == b"next"
    assert b"second" in up.peers[0].received
    assert len(up.peers) == 1


async def test_an_early_agreement_does_not_hide_that_the_browser_went_away() -> None:
    """The answer breaks off where the write did."""
    begun = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"first"
        await begun.wait()
        raise ClientGone

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body(source())))
        begun.set()
        with pytest.raises(ClientGone):
            await read(answer)
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert b"0\r\n\r\n" not in up.peers[0].received


async def test_a_slow_system_slows_the_browsers_upload() -> None:
    """Back-pressure: what the system does not take is not read from the browser."""
    taken = 0
    go = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 65536

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        await go.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        assert len(await peer.request()) > 65_536_000
        await peer.send(OK)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        request = UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body(source()), 65_536_000)
        sending = asyncio.create_task(t.send(up.origin(), request))
        await settled(lambda: taken)
        held = taken
        go.set()
        assert (await sending).status == 200
    assert held < 500


async def settled(value: object) -> None:
    """Wait until a number has stayed the same for 50 turns of the loop."""
    last, same = None, 0
    while same < 50:
        now = value()  # type: ignore[operator]  # a lambda
        same = same + 1 if now == last and now else 0
        last = now
        await asyncio.sleep(0.002)


# What is read


async def test_a_small_answer_is_whole_at_once() -> None:
    """The common case costs one wake-up: head and body in one piece."""
    async with upstream(plays(OK)) as up, transport() as t:
        answer = await t.send(up.origin(), get())
    assert (answer.status, answer.body.whole, answer.reason) == (200, b"ok", b"OK")


async def test_an_answer_may_come_byte_by_byte() -> None:
    """Where the network cuts has no meaning."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.request()
        await peer.send(NEXT)

    async with upstream(script) as up, transport() as t:
        assert await read(await t.send(up.origin(), get())) == b"ok"


async def test_a_connection_carries_the_next_request() -> None:
    """Keep-alive: lengths, chunks, no body and a HEAD answer all leave the connection usable."""
    answers = [
        (get(), OK, b"ok"),
        (get(), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", b"ok"),
        (get(), b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (get(), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
        (get(), b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", b""),
        (get(method="HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n", b""),
        (get(method="HEAD"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
        (get(), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + NEXT, b"next"),
    ]
    async with upstream(plays(*[raw for _, raw, _ in answers])) as up, transport() as t:
        origin = up.origin()
        for request, _, body in answers:
            assert await read(await t.send(origin, request)) == body
    assert len(up.peers) == 1


async def test_a_body_may_end_with_the_connection() -> None:
    """HTTP/1.0 systems have no other way to end."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nall of")
        await peer.send(b" it")

    async with upstream(script) as up, transport() as t:
        assert await read(await t.send(up.origin(), get())) == b"all of it"


@pytest.mark.parametrize("size", [50, 200_000])
async def test_an_answer_cut_short_is_never_whole(size: int) -> None:
    """UP-192: fewer bytes than declared are an error, before or after the head was passed on."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size * 2) + b"x" * size)

    async with upstream(script) as up, transport() as t:
        with pytest.raises(UpstreamUnavailable):
            await read(await t.send(up.origin(), get()))


async def test_a_reset_in_the_middle_is_an_error_after_what_came_before() -> None:
    """UP-213: whoever streams it hears of it, and can cut its own answer short."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await until(lambda: bool(seen))
        peer.reset()

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), get())
        with pytest.raises(UpstreamUnavailable):
            await into(seen, answer)
    assert seen == [b"half"]


async def test_a_reset_of_a_close_delimited_body_is_no_end() -> None:
    """Only an orderly end is one."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await until(lambda: bool(seen))
        peer.reset()

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), get())
        with pytest.raises(UpstreamUnavailable):
            await into(seen, answer)


POISON = {
    "UP-191 two answers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + CANARY,
    "UP-193 more than was declared": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"x" * 5000,
    "two answers in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + OK,
    "UP-197 a body on 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 13\r\n\r\n" + CANARY,
    "a body on 304": b"HTTP/1.1 304 Not Modified\r\n\r\n" + CANARY,
    "close was said": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
}  # fmt: skip


@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "in two"])
@pytest.mark.parametrize("raw", POISON.values(), ids=POISON)
async def test_what_comes_after_an_answer_never_reaches_the_next_request(raw: bytes, apart: bool) -> None:
    """A second answer behind the first belongs to nobody: the connection is closed, the next request gets its own."""
    played: list[Peer] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is not up.peers[0]:
            await peer.send(NEXT)
            await peer.rest()
            return
        cut = raw.index(b"\r\n\r\n") + 6 if apart else len(raw)
        peer.write_now(raw[:cut])
        if apart:
            await asyncio.sleep(0.01)
            peer.write_now(raw[cut:])
        played.append(peer)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        assert await read(await t.send(origin, get())) in (b"ok", b"")
        await until(lambda: bool(played))
        assert await read(await t.send(origin, get())) == b"next"
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert len(up.peers) == 2


@pytest.mark.parametrize("late", [OK, b""], ids=["an answer", "its end"])
async def test_a_kept_connection_is_looked_at_before_it_is_used(late: bytes) -> None:
    """What waits on the socket, unread as yet by the loop, is noticed: no request is written into it, not even a write."""
    async with upstream(plays(OK, OK, OK)) as up, transport() as t:
        origin = up.origin()
        await t.send(origin, get())
        if late:
            up.peers[0].write_now(late)
        else:
            up.peers[0].half_close()
        answer = await t.send(origin, UpstreamRequest("POST", b"/second", ((b"host", b"pas"),), Body.of(b"x")))
        assert answer.status == 200
        assert b"/second" not in up.peers[0].received
        assert b"/second" in up.peers[1].received


async def test_an_answer_that_was_not_read_is_not_left_on_the_connection() -> None:
    """Whoever closes an answer early gives its connection up with it."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + CANARY
    async with upstream(plays(raw, NEXT)) as up, transport() as t:
        origin = up.origin()
        (await t.send(origin, get())).close()
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
        assert len(up.peers) == 1


async def test_a_reader_that_stops_in_the_middle_gives_the_connection_up() -> None:
    """An abandoned stream does not keep a place at the system."""
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    async with upstream(plays(raw)) as up, transport() as t:
        answer = await t.send(up.origin(), get())
        async for _ in answer.body.chunks():
            break
        answer.close()
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)


async def test_closing_an_answer_late_does_not_touch_the_next_one() -> None:
    """`close` belongs to one answer: after its end the connection is somebody else's."""
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(first)
        await go.wait()
        await peer.send(b"0\r\n\r\n")
        await peer.request()
        await peer.send(first)
        await peer.send(b"0\r\n\r\n")
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        one = await t.send(origin, get())
        go.set()
        assert await read(one) == b"ok"
        two = await t.send(origin, get())
        one.close()
        assert await read(two) == b"ok"
    assert len(up.peers) == 1


async def test_a_reader_that_is_slower_than_the_next_request_gets_its_own_bytes() -> None:
    """An answer that is whole in memory frees its connection; the next one's bytes never join it."""
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = b"0\r\n\r\n"
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await go.wait()
        await peer.send(b"3\r\none\r\n" + end)
        await peer.request()
        await peer.send(raw + b"3\r\ntwo\r\n" + end)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        one = await t.send(origin, get())
        go.set()
        await until(lambda: bool(t._pools[origin]._idle))
        two = await t.send(origin, get())
        assert (await read(one), await read(two)) == (b"one", b"two")
    assert len(up.peers) == 1


BAD_BODIES = {
    "UP-198 an upgrade that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + CANARY,
    "UP-200 a thousand interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + OK,
    "UP-202 no head": b"<html>RECORD-CANARY</html>",
    "UP-206 a head that does not end": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 10_000_000,
    "UP-195 a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("raw", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_an_answer_in_bad_form_is_refused_and_its_connection_closed(raw: bytes) -> None:
    """Nothing of it is passed on, and the next request does not meet what is left of it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.write(raw)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        with pytest.raises(SystemMisbehaves):
            await t.send(up.origin(), get())
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)


async def test_a_broken_chunk_in_the_middle_reaches_the_reader_as_an_error() -> None:
    """UP-196, after the head was passed on."""
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n"
    async with upstream(plays(raw)) as up, transport() as t:
        with pytest.raises(SystemMisbehaves):
            await read(await t.send(up.origin(), get()))


async def test_a_slow_reader_slows_the_system() -> None:
    """UP-215: an answer without end is held back, not gathered in memory."""
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1_000_000_000 // 65536):
            await peer.send(b"x" * 65536)
            sent += 65536

    async with upstream(script) as up, transport() as t:
        answer = await t.send(up.origin(), get())
        await settled(lambda: sent)
        held = sent
        got = 0
        async for chunk in answer.body.chunks():
            got += len(chunk)
            if got > held + 10_000_000:
                break
        answer.close()
    assert held < 20_000_000


# Stale connections


async def stale(request: UpstreamRequest, *, once: bool = False) -> tuple[list[bytes], UpstreamResponse | None]:
    """Sends `request` into a kept connection whose peer closes it on reading: what each connection received, and the answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is up.peers[0]:
            await peer.send(OK)
            await peer.head()
        else:
            await peer.send(NEXT)
            await peer.rest()

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        await t.send(origin, get(b"/warm"))
        answer = None
        with contextlib.suppress(UpstreamUnavailable):
            answer = await t.send(origin, request, once=once)
        return [peer.received for peer in up.peers], answer


async def test_a_get_on_a_stale_connection_is_asked_once_more() -> None:
    """UP-212: the system closed as we wrote; nothing was changed by asking, so it is asked again on a new connection."""
    received, answer = await stale(get(b"/again"))
    assert [b"/again" in each for each in received] == [True, True]
    assert answer is not None
    assert answer.body.whole == b"next"


async def test_a_write_on_a_stale_connection_is_never_sent_twice() -> None:
    """Nobody knows whether it was done: that is said, not tried."""
    received, answer = await stale(UpstreamRequest("POST", b"/again", ((b"host", b"pas"),), Body.of(b"note=1")))
    assert ([b"/again" in each for each in received], answer) == ([True], None)


async def test_a_get_that_changes_something_is_never_sent_twice() -> None:
    """A route declared as changing says `once`, whatever its method."""
    received, answer = await stale(get(b"/delete?id=1"), once=True)
    assert (len(received), answer) == (1, None)


async def test_a_get_with_a_body_is_never_sent_twice() -> None:
    """A body makes it a question of which nobody knows the meaning."""
    received, answer = await stale(UpstreamRequest("GET", b"/", ((b"host", b"pas"),), Body.of(b"x")))
    assert (len(received), answer) == (1, None)


async def test_a_new_connection_that_says_nothing_is_not_asked_again() -> None:
    """One safe retry is for a stale connection, not for a system that is ill."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async with upstream(script) as up, transport() as t:
        with pytest.raises(UpstreamUnavailable) as told:
            await t.send(up.origin(), get())
    assert told.value.sent
    assert len(up.peers) == 1


async def test_half_a_head_is_not_asked_again() -> None:
    """Once a byte has come the system has begun to answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if len(up.peers) == 1:
            await peer.send(OK)
            await peer.request()
            await peer.send(b"HTTP/1.1 2")

    async with upstream(script) as up, transport() as t:
        origin = up.origin()
        await t.send(origin, get())
        with pytest.raises(UpstreamUnavailable):
            await t.send(origin, get())
    assert len(up.peers) == 1


async def test_a_write_takes_no_connection_that_has_been_idle_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection may be closed by the system at any moment: a write gets a new one, and a read keeps the old."""
    monkeypatch.setattr(pools, "_FRESH_FOR_WRITES", 0.0)
    async with upstream(plays(OK, NEXT)) as up, transport() as t:
        origin = up.origin()
        await t.send(origin, get())
        await t.send(origin, UpstreamRequest("POST", b"/", ((b"host", b"pas"),), Body.of(b"x")))
        assert len(up.peers) == 2
        await t.send(origin, get())
        assert len(up.peers) == 2


# Deadlines, limits, origins


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_a_system_that_does_not_answer_in_time_is_told_as_such(begun: bytes) -> None:
    """UP-211: the deadline closes the connection; a GET is not asked again by itself."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(begun)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        with pytest.raises(UpstreamUnavailable, match="in time"):
            await t.send(up.origin(read_timeout=0.05), get())
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)
    assert len(up.peers) == 1


async def test_a_dripping_body_does_not_keep_its_place_for_ever() -> None:
    """UP-214: a body must come at a least rate; each byte does not begin the deadline anew."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.01)

    async with upstream(script) as up, transport() as t:
        with pytest.raises(UpstreamUnavailable, match="in time"):
            await read(await t.send(up.origin(read_timeout=0.2), get()))


async def test_a_long_body_at_a_good_rate_may_take_longer_than_the_deadline() -> None:
    """A deadline is for silence: a large study over a slow line comes through."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (40 * 10_000))
        for _ in range(40):
            await peer.send(b"x" * 10_000)
            await asyncio.sleep(0.02)
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        assert len(await read(await t.send(up.origin(read_timeout=0.4), get()))) == 400_000


async def test_a_browser_that_reads_slowly_does_not_make_the_system_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """While we hold the system back its silence is our doing; and even that has an end."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    async with upstream(plays(raw, raw)) as up, transport() as t:
        origin = up.origin(read_timeout=0.3)
        answer = await t.send(origin, get())
        await asyncio.sleep(0.8)  # longer than the deadline and a sweep: time itself is what is tried here
        assert len(await read(answer)) == 1_000_000
        monkeypatch.setattr(connections, "LONGEST_PAUSE", 0.1)
        abandoned = await t.send(origin, get())
        await asyncio.wait_for(up.peers[-1].closed.wait(), 5)
        with pytest.raises(UpstreamUnavailable):
            await read(abandoned)


async def test_a_system_that_does_not_listen_is_unavailable_and_was_not_asked() -> None:
    """A write to it may be said to be `not sent`."""
    async with upstream(plays(OK)) as up:
        origin = up.origin()
    async with transport() as t:
        with pytest.raises(UpstreamUnavailable) as told:
            await t.send(origin, get())
    assert not told.value.sent


async def test_connections_to_one_system_are_counted() -> None:
    """More than a system may take are not opened: it is busy."""

    async def script(peer: Peer) -> None:
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        origin = up.origin(connections=2)
        waiting = [asyncio.create_task(t.send(origin, get())) for _ in range(2)]
        await until(lambda: len(up.peers) == 2)
        with pytest.raises(SystemUnavailable, match="busy"):
            await t.send(origin, get())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_two_systems_on_one_host_share_no_connection() -> None:
    """A pool belongs to a system: what one left behind cannot meet the other."""
    async with upstream(plays(OK, OK)) as up, transport() as t:
        await t.send(up.origin(), get())
        await t.send(up.origin(), get())
    assert len(up.peers) == 2


async def test_closing_the_transport_ends_what_is_under_way() -> None:
    """At the end nobody is left waiting."""

    async def script(peer: Peer) -> None:
        await peer.rest()

    async with upstream(script) as up:
        async with transport() as t:
            waiting = asyncio.create_task(t.send(up.origin(), get()))
            await until(lambda: bool(up.peers) and bool(up.peers[0].reader))
            await asyncio.sleep(0)
        with pytest.raises(UpstreamUnavailable):
            await waiting


async def test_a_cancelled_request_closes_its_connection() -> None:
    """Its answer would come to nobody, or to the next."""

    async def script(peer: Peer) -> None:
        await peer.rest()

    async with upstream(script) as up, transport() as t:
        waiting = asyncio.create_task(t.send(up.origin(), get()))
        await until(lambda: bool(up.peers) and not waiting.done())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(up.peers[0].closed.wait(), 5)


async def test_a_cancel_that_comes_with_the_answer_leaves_the_next_request_alone() -> None:
    """Cancelled in the moment in which its whole answer came: the connection is already somebody else's."""
    async with upstream(plays(OK, NEXT, NEXT)) as up, transport() as t:
        origin = up.origin()
        await t.send(origin, get())
        one = asyncio.create_task(t.send(origin, get()))
        await asyncio.sleep(0)
        pool = t._pools[origin]
        await until_now(lambda: bool(pool._idle))
        one.cancel()
        two = asyncio.create_task(t.send(origin, get()))
        assert (await two).body.whole == b"next"
        await asyncio.gather(one, return_exceptions=True)


async def until_now(true: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be")
