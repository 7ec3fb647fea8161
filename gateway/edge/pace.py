"""How often somebody may do something: at most so many times in so many seconds, for each key, in bounded room."""

from __future__ import annotations

from collections import OrderedDict, deque

_MOST_KEYS = 10_000


class Pace:
    def __init__(self, times: int, seconds: float) -> None:
        self._times = times
        self._seconds = seconds
        self._done: OrderedDict[str, deque[float]] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Counts this time too, unless it is one too many."""
        done = self._done.setdefault(key, deque())
        self._done.move_to_end(key)
        if len(self._done) > _MOST_KEYS:
            self._done.popitem(last=False)
        while done and not 0 <= now - done[0] < self._seconds:
            done.popleft()
        if len(done) >= self._times:
            return False
        done.append(now)
        return True
