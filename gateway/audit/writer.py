"""One writer: a thread that makes events durable in groups.

Whatever is queued is written at once, synced once, and only then acknowledged, with one call into the event loop for the
whole group. When a write or sync fails, the group is written once more to a new segment; when that fails too, whoever waits is
told, whoever comes is refused, and the thread tries again each second.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalUnavailable
from .disk import FULL
from .reserve import Reserve, Room
from .tail import Entry, SegmentChanged, Tail

_GROUP = 512
_FEW = 3  # events that wait: with as many, more are on their way
_GATHER = 0.001  # seconds in which they may come, so that one sync serves them all
_QUEUE = 20_000
_LATER = 0.25  # seconds that an event may wait for which nobody waits
_AGAIN = 1.0  # seconds between looks at the disk while something is wrong with it


@dataclass(slots=True)
class Queued(Entry):
    """An entry and whom to tell, if anybody waits."""

    told: asyncio.Future[int] | None = None


class Writer:
    def __init__(self, tail: Tail, reserve: Reserve, alarm: Callable[[str, str], None]) -> None:
        """`alarm(control, state)` is called from the thread, and from here when the reserve is low already."""
        self.room = Room.OK
        self.failing = ""  # a reason code while nothing can be made durable
        self._tail = tail
        self._reserve = reserve
        self._alarm = alarm
        self._queue: deque[Queued] = deque()
        self._wake = threading.Lock()  # released: there is something to do
        self._wake.acquire()
        self._idle = False
        self._closing = False
        self._why = ""
        self._looked = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tell_room()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def reserve_used(self) -> float:
        """0 to 1."""
        return self._reserve.used

    def put(self, entry: Queued, *, later: bool = False) -> None:
        """Queue an event, from any thread; `later`: with the next group, or within a quarter of a second.

        Raises JournalUnavailable when it cannot be made durable now.
        """
        if self.failing or self._closing:
            reason = self.failing or "closed"
            raise JournalUnavailable(reason, f"the journal cannot write: {reason}")
        if len(self._queue) >= _QUEUE:
            raise JournalUnavailable("queue-full", "the journal's disk is too slow: too many events wait")
        if entry.told is not None:
            self._loop = entry.told.get_loop()
        self._queue.append(entry)
        # `_idle` is set before the thread looks at the queue for the last time, so that no entry is overlooked.
        if self._idle and not later:
            self._rouse()

    def _rouse(self) -> None:
        self._idle = False
        with contextlib.suppress(RuntimeError):  # somebody else has roused it
            self._wake.release()

    def close(self) -> None:
        """Write what is queued, end the segment in good order, stop."""
        self._closing = True
        self._rouse()
        self._thread.join()

    # Everything below runs in the thread.

    def _run(self) -> None:
        while (group := self._take()) is not None:
            if group:
                self._commit(group)
            self._look()
        try:
            self._tail.close()
        except OSError:
            self._alarm("journal", "sync-failed")

    def _take(self) -> list[Queued] | None:
        """The next group; empty when it is time to look at the disk; None at the end."""
        queue = self._queue
        if not queue:
            self._idle = True
            if not (queue or self._closing):
                self._wake.acquire(timeout=_LATER)
            self._idle = False
            if not queue:
                return None if self._closing else []
        if len(queue) >= _FEW and not self._closing:
            time.sleep(_GATHER)
        return [queue.popleft() for _ in range(min(len(queue), _GROUP))]

    @property
    def _uneasy(self) -> bool:
        return bool(self.failing) or self.room is not Room.OK

    def _commit(self, group: list[Queued]) -> None:
        if self.failing:
            self._refuse(group)
            return
        rest = self._append(group)
        if rest and self._resume():
            rest = self._append(rest)
        if rest:
            self._refuse(rest)
        self._tell_room()

    def _append(self, group: list[Queued]) -> list[Queued]:
        """What could not be made durable; why is then in `_why`, and alarmed."""
        while group:
            first = self._tail.sequence
            try:
                taken = self._tail.append(group)
            except Exception as error:
                self._trouble(_reason(error, self._reserve.room))
                return group
            self._acknowledge(group[:taken], first)
            group = group[taken:]
        return group

    def _trouble(self, reason: str) -> None:
        self._why = reason
        self._alarm("journal", reason)

    def _resume(self) -> bool:
        try:
            self._tail.resume()
        except SegmentChanged:
            self._trouble("damaged")
            self.failing = "damaged"
        except OSError as error:
            self._why = _reason(error, self._reserve.room)
        else:
            self.failing = ""
            self._alarm("journal", "ok")
            return True
        return False

    def _refuse(self, group: list[Queued]) -> None:
        self.failing = self.failing or self._why
        reason = self.failing
        self._wake_up(
            [(e.told, JournalUnavailable(reason, f"the journal cannot write: {reason}")) for e in group if e.told]
        )

    def _acknowledge(self, group: list[Queued], first: int) -> None:
        self._wake_up([(entry.told, first + number) for number, entry in enumerate(group) if entry.told])

    def _wake_up(self, told: list[tuple[asyncio.Future[int], int | JournalUnavailable]]) -> None:
        """Tell everybody at once. Somebody whose loop has gone cannot be told."""
        if told and self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_tell, told)

    def _look(self) -> None:
        """Each second while something is wrong: is the disk better?"""
        if not self._uneasy or time.monotonic() - self._looked < _AGAIN:
            return
        self._looked = time.monotonic()
        with contextlib.suppress(OSError):
            self._reserve.refill()
        if self.failing and self.failing != "damaged":
            self._resume()
        self._tell_room()

    def _tell_room(self) -> None:
        if (room := self._reserve.room) is not self.room:
            self.room = room
            self._alarm("journal-reserve", room.value)


def _tell(told: list[tuple[asyncio.Future[int], int | JournalUnavailable]]) -> None:
    for future, outcome in told:
        if future.done():
            continue
        if isinstance(outcome, int):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)


def _reason(error: Exception, room: Room) -> str:
    """A reason code (docs/reasons.md)."""
    if isinstance(error, OSError) and error.errno in FULL:
        return "reserve-used" if room is Room.USED else "disk-full"
    return "sync-failed"


def locked(folder: Path) -> int:
    """The lock that keeps a second writer out; held until its descriptor is closed. Raises BlockingIOError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd
