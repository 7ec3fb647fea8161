"""What is written in one turn goes out together, in order, and nothing overtakes it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.outbox import Outbox
from tests.gateway.edge import cases, raw


class Tcp(asyncio.Transport):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed


async def test_a_turn_s_writes_go_out_at_its_end_and_in_order() -> None:
    """Nothing before the turn ends, everything after it, each transport's in the order in which it was put."""
    box, one, other = Outbox(asyncio.get_running_loop()), Tcp(), Tcp()
    box.put(one, b"1")
    box.put(other, b"a")
    box.put(one, b"2")
    assert (one.written, other.written) == ([], [])
    await asyncio.sleep(0)
    assert (one.written, other.written) == ([b"1", b"2"], [b"a"])
    box.put(one, b"3")
    await asyncio.sleep(0)
    assert one.written == [b"1", b"2", b"3"]


async def test_who_writes_past_it_flushes_first() -> None:
    """After a flush nothing is left that could come twice or late."""
    box, one = Outbox(asyncio.get_running_loop()), Tcp()
    box.put(one, b"head")
    box.flush()
    one.write(b"body")
    await asyncio.sleep(0)
    assert one.written == [b"head", b"body"]


async def test_a_transport_that_was_closed_takes_nothing() -> None:
    """A connection that went away in the same turn is no error for the others."""
    box, gone, here = Outbox(asyncio.get_running_loop()), Tcp(), Tcp()
    box.put(gone, b"x")
    box.put(here, b"y")
    gone.closed = True
    await asyncio.sleep(0)
    assert (gone.written, here.written) == ([], [b"y"])


@pytest.mark.parametrize("follows", [b"GET / HTTP/9.9\r\n\r\n", b"\0\r\n\r\n"])
def test_an_answer_is_not_lost_to_what_follows_it(gate: raw.Listening, follows: bytes) -> None:
    """What makes the connection end right after an answer ends it behind that answer."""
    for _ in range(20):
        with socket.create_connection(gate.address, timeout=raw.PATIENCE) as browser:
            browser.sendall(cases.get())
            answer = browser.recv(1000)
            browser.sendall(follows)
            while more := browser.recv(1000):
                answer += more
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 " in answer[20:]
