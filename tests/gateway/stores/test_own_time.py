"""A limit is so many looks at what has come: nobody is late because the machine was busy."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from gateway.stores.own_time import own_time


async def test_what_does_not_come_is_given_up_in_time() -> None:
    """On a loop that is on time, it is what it says."""
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        async with own_time(0.1):
            await asyncio.Event().wait()
    assert 0.09 < time.monotonic() - begun < 5


async def test_what_lies_there_when_a_late_loop_looks_is_not_late() -> None:
    """However long nobody looked: asyncio.timeout gives it up all the same."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    late = 0

    def busy() -> None:
        theirs.sendall(b"answer\n")
        time.sleep(0.3)

    for limit in (asyncio.timeout, own_time):
        asyncio.get_running_loop().call_soon(busy)
        try:
            async with limit(0.1):
                assert await reader.readline() == b"answer\n"
        except TimeoutError:
            late += 1
            assert limit is asyncio.timeout
            assert await reader.readline() == b"answer\n"
    assert late == 1, "there is nothing to mend"
    writer.close()
    theirs.close()
    await writer.wait_closed()


async def test_several_steps_each_of_which_waits_for_a_late_loop_are_done() -> None:
    """As a new connection is: each of its steps finds the loop late."""
    loop = asyncio.get_running_loop()
    async with own_time(0.25):
        for _ in range(5):
            step: asyncio.Future[None] = loop.create_future()
            loop.call_later(0.001, step.set_result, None)
            loop.call_soon(time.sleep, 0.15)
            await step
