"""One writer: a thread that makes events durable in groups.

Whatever is queued is written at once, synced once, and only then acknowledged, with one call into the event loop for the
whole group. A failed write or sync gives the segment up: what the disk says about it afterwards is not believed. The next
segment continues from the last acknowledged record.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalUnavailable
from .disk import Disk
from .reserve import Reserve, Room
from .segment import FRAME, SegmentName, frame, header

_GROUP = 512
_QUEUE = 20_000
_TRY_AGAIN = 1.0  # seconds between attempts to open a new segment after a failure


@dataclass(slots=True)
class Entry:
    """An event on its way, its parts already JSON, and whom to tell. The full input is written once in each segment."""

    at: bytes
    type: bytes
    fields: bytes
    told: asyncio.Future[int] | None
    input_hash: str = ""
    input_record: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a writer goes on: what recovery found."""

    epoch: int
    index: int
    sequence: int
    mac: bytes


class Writer:
    def __init__(
        self,
        folder: Path,
        name: str,
        key: bytes,
        place: Place,
        *,
        reserve: Reserve,
        disk: Disk,
        alarm: Callable[[str, str], None],
    ) -> None:
        """`alarm(control, state)` is called from the thread. Raises OSError when no segment can be begun."""
        self.name = name
        self.room = reserve.room
        self.failing = ""  # a reason code while nothing can be made durable
        self._folder = folder
        self._key = key
        self._reserve = reserve
        self._disk = disk
        self._alarm = alarm
        self._epoch, self._index = place.epoch, place.index
        self._sequence, self._mac = place.sequence, place.mac
        self._fd, self._path, self._size, self._offset = -1, folder, 0, 0
        self._inputs: set[str] = set()
        self._queue: deque[Entry] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin_segment()
        self._thread = threading.Thread(target=self._run, name=f"journal-{name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def put(self, entry: Entry) -> None:
        """Queue an event. Raises JournalUnavailable when it cannot be made durable now."""
        if self.failing or self._closing:
            reason = self.failing or "closed"
            raise JournalUnavailable(reason, f"the journal cannot write: {reason}")
        if len(self._queue) >= _QUEUE:
            raise JournalUnavailable("queue-full", "the journal's disk is too slow: too many events wait")
        if self._loop is None and entry.told is not None:
            self._loop = entry.told.get_loop()
        queue = self._queue
        queue.append(entry)
        if len(queue) == 1:
            with self._wake:
                self._wake.notify()

    def close(self) -> None:
        """Write what is queued, cut the segment to its length, stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    # Everything below runs in the thread (but for the constructor's first segment).

    def _run(self) -> None:
        while True:
            group = self._take()
            if group is None:
                break
            if not group:
                self._repair()
                continue
            try:
                self._commit(group)
            except OSError as error:
                self._give_up(error)
                self._tell(group, 0)
        self._finish()

    def _take(self) -> list[Entry] | None:
        """The next group; empty when a repair is due; None at the end."""
        with self._wake:
            while not self._queue:
                if self._closing:
                    return None
                if not self._wake.wait(_TRY_AGAIN if self.failing else None) and self.failing:
                    return []
        queue = self._queue
        return [queue.popleft() for _ in range(min(len(queue), _GROUP))]

    def _commit(self, group: list[Entry]) -> None:
        """Write and sync the group; across a segment's end in two parts."""
        if self.failing:
            raise OSError(errno.EIO, "failing")
        first = sequence = self._sequence
        own, length, parts = self._mac, 0, list[bytes]()
        for entry in group:
            payload = self._payload(entry, sequence, first)
            if self._offset + length + FRAME.size + len(payload) > self._size:
                self._flush(parts, own, sequence)
                self._next_segment()
                own, length, parts = self._mac, 0, []
                payload = self._payload(entry, sequence, first)
            record, own = frame(self._key, own, payload)
            sequence += 1
            length += len(record)
            parts.append(record)
        self._flush(parts, own, sequence)
        self._tell(group, first)

    def _payload(self, entry: Entry, sequence: int, group: int) -> bytes:
        """Canonical: keys in order. `group` is the first sequence of the write, by which recovery tells a torn write
        from a changed record."""
        question = b""
        if entry.input_hash and entry.input_hash not in self._inputs:
            self._inputs.add(entry.input_hash)
            question = b'"input":%s,' % entry.input_record
        return b'{"at":%s,"epoch":%d,"fields":%s,"group":%d,%s"seq":%d,"type":"%s"}' % (
            entry.at,
            self._epoch,
            entry.fields,
            group,
            question,
            sequence,
            entry.type,
        )

    def _flush(self, parts: list[bytes], own: bytes, sequence: int) -> None:
        """After this, and only then, what `parts` holds is durable."""
        if not parts:
            return
        data = b"".join(parts)
        if len(data) > self._size - self._offset:
            raise OSError(errno.EFBIG, "a record is larger than a segment")
        self._disk.write(self._fd, data, self._offset)
        self._disk.sync(self._fd)
        self._offset += len(data)
        self._mac, self._sequence = own, sequence

    def _tell(self, group: list[Entry], first: int) -> None:
        """Wake everybody of the group at once; `first` 0: nothing of it is durable."""
        reason = self.failing

        def wake() -> None:
            for number, entry in enumerate(group):
                if entry.told is None or entry.told.done():
                    continue
                if first:
                    entry.told.set_result(first + number)
                else:
                    entry.told.set_exception(JournalUnavailable(reason, f"the journal cannot write: {reason}"))

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(wake)

    def _next_segment(self) -> None:
        self._disk.close(self._fd)
        self._fd = -1
        self._disk.cut(self._path, self._offset)
        self._index += 1
        self._begin_segment()

    def _begin_segment(self) -> None:
        path = SegmentName(self._epoch, self._index).path(self._folder)
        fd, size = self._reserve.create(path)
        self._fd, self._size, self._path, self._offset = fd, size, path, 0
        self._inputs.clear()
        record, own = frame(
            self._key, self._mac, header(self.name, self._epoch, self._index, self._sequence, self._mac)
        )
        self._disk.write(fd, record, 0)
        self._disk.sync(fd)
        self._mac, self._offset = own, len(record)
        self._watch()

    def _watch(self) -> None:
        if (room := self._reserve.room) is not self.room:
            self.room = room
            self._alarm("journal-reserve", room.value)

    def _give_up(self, error: OSError) -> None:
        """The segment is poisoned: what was acknowledged stays, nothing is appended to it again."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        used = full and self._reserve.room is Room.USED
        reason = "reserve-used" if used else "disk-full" if full else "sync-failed"
        if not self.failing:
            self.failing = reason
            self._alarm("journal", reason)
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self._disk.close(self._fd)
            self._fd = -1

    def _repair(self) -> None:
        """Begin a new segment after the last acknowledged record, if the disk lets us."""
        try:
            self._resume()
        except OSError:
            return
        self.failing = ""
        self._alarm("journal", "ok")

    def _resume(self) -> None:
        """What lies after the last acknowledged record was never acknowledged: it goes."""
        self._disk.cut(self._path, self._offset)
        self._index += 1
        self._begin_segment()

    def _finish(self) -> None:
        if self._fd >= 0:
            try:
                self._disk.sync(self._fd)
                self._disk.close(self._fd)
                self._disk.cut(self._path, self._offset)
            except OSError:
                self._alarm("journal", "sync-failed")


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
