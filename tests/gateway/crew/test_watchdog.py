"""The watchdog: what blocks the loop is named, and nobody is blamed for a quiet one. (F26)"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import structlog

from gateway.crew.watchdog import Watchdog

SECRET = "a value that no log may show"


def works_for_long(secret: str, seconds: float) -> None:
    """What a connector should have done in a thread."""
    time.sleep(seconds)


async def watched(seconds: float, *, times: int = 1) -> list[Any]:
    with structlog.testing.capture_logs() as lines:
        watchdog = Watchdog(blocked=0.2)
        watchdog.begin()
        await asyncio.sleep(0.1)
        for _ in range(times):
            works_for_long(SECRET, seconds)
            await asyncio.sleep(0.1)
        watchdog.end()
    return [line for line in lines if line["event"] == "the event loop is blocked"]


async def test_what_blocks_the_loop_is_named() -> None:
    """File, line and function; no value."""
    (line,) = await watched(1.0)
    assert any("crew/test_watchdog.py" in place and "works_for_long" in place for place in line["stack"])
    assert line["milliseconds"] >= 200
    assert SECRET not in str(line)


async def test_one_that_blocks_again_and_again_does_not_fill_the_log() -> None:
    """One line in ten seconds is enough to find it."""
    assert len(await watched(0.6, times=3)) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.01])
async def test_short_work_is_nobody_s_business(seconds: float) -> None:
    """Whoever gives way soon is not told of."""
    lines = await watched(seconds)
    assert [line for line in lines if "works_for_long" in str(line)] == []
