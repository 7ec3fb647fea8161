"""A system that has not answered several times in a row is left alone for a while, and then tried by one look.

Nobody waits for what will not come: whoever asks meanwhile is told at once. The one that is let through to try is never a write, since
nobody could say what became of it; and it is one at a time, so that a system that comes back is not fallen upon.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.errors import SystemUnavailable

_IN_A_ROW = 5
_AT_FIRST, _AT_MOST = 1.0, 30.0  # seconds until it is tried; twice as long each time


class SystemPaused(SystemUnavailable):
    """It was not asked: it has not answered for a while."""


class Breaker:
    """`admit` before a request; then `answered`, `silent` or, where neither can be said, `left`."""

    def __init__(self, title: str, now: Callable[[], float]) -> None:
        """`now`: a clock in seconds that is never set back."""
        self._title = title
        self._now = now
        self._failures = 0
        self._wait = _AT_FIRST
        self._tried_at = 0.0  # when the next one may try
        self._trying = False

    @property
    def open(self) -> bool:
        return self._failures >= _IN_A_ROW

    def admit(self, *, look: bool) -> bool:
        """Whether this one is the one that tries. Raises SystemPaused. `look`: it changes nothing there."""
        if self._failures < _IN_A_ROW:
            return False
        if self._trying or not look or self._now() < self._tried_at:
            raise SystemPaused(
                f"`{self._title}` does not answer at the moment: nothing was sent, it is tried again in a moment"
            )
        self._trying = True
        return True

    def answered(self) -> None:
        if self._failures:
            self._failures, self._wait, self._trying = 0, _AT_FIRST, False

    def silent(self, *, tried: bool) -> None:
        """`tried`: it was the one that `admit` let through to try."""
        if tried:
            self._trying = False
            self._wait = min(self._wait * 2, _AT_MOST)
            self._tried_at = self._now() + self._wait
        elif self._failures < _IN_A_ROW:
            self._failures += 1
            if self._failures == _IN_A_ROW:
                self._tried_at = self._now() + self._wait

    def left(self, *, tried: bool) -> None:
        """The clinician went away first: another one may try."""
        if tried:
            self._trying = False
