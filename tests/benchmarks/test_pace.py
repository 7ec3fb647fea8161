"""The open loop of the bench: who waits is counted from when they came, and nobody is left out because another one waits."""

from __future__ import annotations

import asyncio
import random

import pytest

from benchmarks.aims import judged
from benchmarks.pace import Waits, drawn, paced
from benchmarks.run import PARTS, main


def test_as_many_come_as_are_meant_and_in_order() -> None:
    """Fifty a second for ten seconds, then five a second for twenty."""
    due = drawn([(10, 50), (20, 5)], random.Random(1))
    assert len([at for at in due if at < 10]) == 500
    assert len(due) == 600
    assert due == sorted(due)
    assert due[-1] < 30


def test_whoever_comes_while_another_waits_is_counted_from_then() -> None:
    """One at a time is served, each for a tenth of a second: the third of three that come at once has waited three times as long."""
    one_at_a_time = asyncio.Lock()

    async def served(number: int) -> None:
        async with one_at_a_time:
            await asyncio.sleep(0.1)  # what is done

    async def all_of_them() -> Waits:
        return await paced([0.0, 0.0, 0.0], served)

    waits = asyncio.run(all_of_them())
    assert waits.ms(99) >= 290
    assert waits.ms(1) >= 90


def test_what_fails_is_counted_with_its_words() -> None:
    """And has waited like any other."""

    async def refused(number: int) -> None:
        if number:
            raise RuntimeError("a look answered 503")

    async def both() -> Waits:
        return await paced([0.0, 0.01], refused)

    waits = asyncio.run(both())
    assert waits.failures == 1
    assert waits.failed["RuntimeError: a look answered 503"] == 1
    assert len(waits.took) == 2


def test_an_aim_that_is_missed_is_said() -> None:
    """Beside the figure; what has no aim has none."""
    assert judged("storm.failures", 0) == "= 0"
    assert judged("storm.failures", 1) == "= 0, missed"
    assert judged("revoke.max_ms", 1000.0) == "≤ 1000"
    assert judged("revoke.max_ms", 1000.1).endswith("missed")
    assert judged("signon.per_s", 1.0) == ""


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the parts that there are."""
    assert main(["storms"]) == 2
    said = capsys.readouterr().out
    assert all(name in said for name in PARTS)
