"""Notices when a worker's event loop stands still, and says by what: the places in the code, never the values.

A loop that answers nobody else for a fifth of a second has met something that belongs in a thread. What keeps it much longer is
ended by the parent, which hears no beat.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from types import FrameType

from .. import logs

BLOCKED = 0.2  # seconds
_TICK = 0.05
_AGAIN = 10.0  # seconds between two lines about blocks, and between lines about one that lasts
_FRAMES = 12
# Where the innermost frame is one of these, the loop waits for the machine, not for somebody's code.
_LOOPS = ("uvloop/", "asyncio/runners.py", "asyncio/base_events.py", "selectors.py")


class Watchdog:
    """Begin it in the thread of the loop that it watches; a thread of its own looks."""

    def __init__(self, blocked: float = BLOCKED) -> None:
        self._blocked = blocked
        self._watched = threading.get_ident()
        self._ticked = time.monotonic()
        self._said = float("-inf")
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)

    def begin(self) -> None:
        self._tick()
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()

    def _tick(self) -> None:
        self._ticked = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _look(self) -> None:
        while not self._over.wait(_TICK):
            now = time.monotonic()
            if now - self._ticked > self._blocked + _TICK and now - self._said > _AGAIN:
                self._say(now)

    def _say(self, now: float) -> None:
        frame = sys._current_frames().get(self._watched)
        if frame is None or _waits(frame):
            return
        self._said = now
        stack = [f"{_short(f.filename)}:{f.lineno} {f.name}" for f in traceback.extract_stack(frame)[-_FRAMES:]]
        logs.log().error("the event loop is blocked", milliseconds=int((now - self._ticked) * 1000), stack=stack)


def _waits(frame: FrameType) -> bool:
    return any(loop in frame.f_code.co_filename for loop in _LOOPS)


def _short(file: str) -> str:
    return "/".join(file.split("/")[-2:])
