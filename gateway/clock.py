"""The time, which does not go back.

Lives and deadlines are instants of the wall clock, so that they survive a restart; a clock that is set back would make every session live
longer. So a step back is noticed, said, and not followed: time goes on from where it was until the wall clock has caught up, or
the gateway is started again. A step forward is believed: it ends things early, and nothing is released by that.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_TOLERATED = 2.0  # seconds: clocks are slewed a little all the time


class SteadyClock:
    """Call it for seconds since the epoch; call `look` every second."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self.alarm: Callable[[str, str], None] = lambda control, state: None
        self._wall = wall
        self._steady = steady
        self._ahead = 0.0  # of the wall clock, since it was set back
        self._known = wall(), steady()

    def __call__(self) -> float:
        return self._wall() + self._ahead

    async def look(self) -> None:
        wall, steady = self._wall(), self._steady()
        before, at = self._known
        expected = before + (steady - at)
        if wall + _TOLERATED < expected:
            self._ahead = expected - wall
            self.alarm("clock", "set-back")
            self._known = expected, steady
            return
        if self._ahead:
            self._ahead = 0.0
            self.alarm("clock", "ok")
        self._known = wall, steady
