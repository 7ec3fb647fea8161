"""The line between parent and worker: messages in order, answers to whom they belong, silence bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.crew.orders import Line


@contextlib.asynccontextmanager
async def line() -> AsyncIterator[tuple[Line, Line]]:
    """Its two ends."""
    ours, theirs = [await Line.over(end) for end in socket.socketpair()]
    try:
        yield ours, theirs
    finally:
        await ours.close()
        await theirs.close()


async def test_messages_come_whole_and_in_order() -> None:
    """Also one that is far larger than a buffer: policies are sent."""
    async with line() as (ours, theirs):
        ours.say(text="x" * 3_000_000)
        ours.say(do="serve")
        first, second = await theirs.hear(), await theirs.hear()
        assert first is not None
        assert (len(first["text"]), second) == (3_000_000, {"do": "serve"})


async def test_an_answer_goes_to_whom_it_belongs() -> None:
    """Two ask at once, and are answered the other way round."""
    async with line() as (ours, theirs):
        asking = [asyncio.ensure_future(ours.ask(what, 5)) for what in ("parts", "figures")]
        hearing = asyncio.ensure_future(ours.hear())
        questions = [await theirs.hear(), await theirs.hear()]
        for question in reversed(questions):
            assert question is not None
            theirs.answer(question, f"the {question['ask']}")
        assert await asyncio.gather(*asking) == ["the parts", "the figures"]
        theirs.say(beat=True)
        assert await hearing == {"beat": True}


async def test_nobody_waits_for_a_worker_that_says_nothing() -> None:
    """A question has a deadline, and an answer that comes later disturbs nobody."""
    async with line() as (ours, theirs):
        with pytest.raises(TimeoutError):
            await ours.ask("parts", 0.05)
        question = await theirs.hear()
        assert question is not None
        theirs.answer(question, "late")
        theirs.say(beat=True)
        assert await ours.hear() == {"beat": True}


async def test_the_end_of_the_other_is_heard() -> None:
    """Whoever is left knows at once."""
    async with line() as (ours, theirs):
        await theirs.close()
        assert await ours.hear() is None
        ours.say(do="stop")  # into the void
