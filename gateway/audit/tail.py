"""The end of a writer's chain: the one segment that is appended to, durably, group by group.

Knows neither threads nor event loops. A failed write or sync gives the segment up for good: what the disk says about it
afterwards is not believed (after a failed fsync the kernel may drop the pages and report success the next time). The next
segment continues from the last record whose sync succeeded, once what was acknowledged has been read back and verifies.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .disk import Disk
from .reserve import Reserve
from .segment import FRAME, Record, SegmentName, closing, frame, header, mac, read
from .synced import Mark, Synced


@dataclass(slots=True)
class Entry:
    """An event on its way, its parts already JSON. The full input is written once in each segment."""

    at: bytes
    type: bytes
    fields: bytes
    input_hash: str = ""
    input_record: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a writer goes on: what recovery found."""

    epoch: int
    index: int
    sequence: int
    mac: bytes


class Tail:
    def __init__(self, folder: Path, name: str, key: bytes, place: Place, reserve: Reserve, disk: Disk) -> None:
        """Begins a segment. Raises OSError."""
        self.sequence = place.sequence  # the next one
        self._folder = folder
        self._name = name
        self._key = key
        self._reserve = reserve
        self._disk = disk
        self._epoch, self._index = place.epoch, place.index
        self._mac = place.mac
        self._fd, self._path, self._size, self._offset = -1, folder, 0, 0
        self._inputs: set[str] = set()
        self._mark = Mark(folder)
        try:
            self._begin()
        except OSError:
            self._mark.close()
            raise

    def append(self, entries: Sequence[Entry]) -> int:
        """Make the first of `entries` durable, as many as the segment holds, in one write and one sync; how many.

        Goes on in a new segment when this one is full. Raises OSError; then nothing of it is acknowledged, and only
        `resume` helps.
        """
        if self._fd < 0:
            raise OSError(errno.EBADF, "the segment was given up")
        try:
            if taken := self._append(entries):
                return taken
            self._next()
            if taken := self._append(entries):
                return taken
            raise OSError(errno.EFBIG, "an event is larger than a segment")
        except BaseException:
            self._give_up()
            raise

    def resume(self) -> None:
        """Go on after a failure, in a new segment. Raises OSError, SegmentChanged.

        What lies behind the last acknowledged record was never acknowledged: it goes.
        """
        self._verify()
        self._disk.cut(self._path, self._offset)
        self._begin()

    def close(self) -> None:
        """End the segment in good order. Raises OSError."""
        try:
            if self._fd < 0:
                return
            record, own = frame(self._key, self._mac, closing(self.sequence))
            if len(record) <= self._size - self._offset:
                self._flush(record, own, self.sequence)
            self._end()
        finally:
            self._mark.close()

    def _append(self, entries: Sequence[Entry]) -> int:
        own, sequence, room = self._mac, self.sequence, self._size - self._offset
        parts, fresh = list[bytes](), set[str]()
        for entry in entries:
            payload = self._payload(entry, sequence, fresh)
            room -= FRAME.size + len(payload)
            if room < 0:
                break
            if entry.input_hash:
                fresh.add(entry.input_hash)
            record, own = frame(self._key, own, payload)
            sequence += 1
            parts.append(record)
        if parts:
            self._flush(b"".join(parts), own, sequence)
            self._inputs |= fresh
        return len(parts)

    def _payload(self, entry: Entry, sequence: int, fresh: set[str]) -> bytes:
        """Canonical: keys in order. `group` is the first sequence of the write, by which recovery tells a torn write
        from a changed record."""
        question, known = b"", entry.input_hash
        if entry.input_record and known not in self._inputs and known not in fresh:
            question = b'"input":%s,' % entry.input_record
        return b'{"at":%s,"epoch":%d,"fields":%s,"group":%d,%s"seq":%d,"type":"%s","writer":"%s"}' % (
            entry.at,
            self._epoch,
            entry.fields,
            self.sequence,
            question,
            sequence,
            entry.type,
            self._name.encode(),
        )

    def _flush(self, data: bytes, own: bytes, sequence: int) -> None:
        """After this, and only then, `data` is durable."""
        self._disk.write(self._fd, data, self._offset)
        self._disk.sync(self._fd)
        self._offset += len(data)
        self._mac, self.sequence = own, sequence
        self._tell()

    def _tell(self) -> None:
        self._mark.tell(Synced(self._epoch, self._index - 1, self._offset, self.sequence))

    def _next(self) -> None:
        self._end()
        self._begin()

    def _end(self) -> None:
        fd, self._fd = self._fd, -1
        self._disk.close(fd)
        self._disk.cut(self._path, self._offset)

    def _begin(self) -> None:
        """A new segment with its header, or no trace of it. Raises OSError."""
        path = SegmentName(self._epoch, self._index).path(self._folder)
        fd, size = self._reserve.create(path)
        record, own = frame(
            self._key, self._mac, header(self._name, self._epoch, self._index, self.sequence, self._mac)
        )
        try:
            self._disk.write(fd, record, 0)
            self._disk.sync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.close(fd)
            with contextlib.suppress(OSError):
                self._disk.remove(path)
            self._index += 1
            raise
        self._fd, self._path, self._size, self._offset = fd, path, size, len(record)
        self._index += 1
        self._mac = own
        self._inputs.clear()
        self._tell()

    def _give_up(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                self._disk.close(fd)

    def _verify(self) -> None:
        """Read the given-up segment back up to the last acknowledged record. Raises SegmentChanged."""
        before, end = None, 0
        for item in read(self._path, tears=False):
            if not isinstance(item, Record) or item.end > self._offset:
                break
            if before is not None and mac(self._key, before, item.payload) != item.mac:
                break
            before, end = item.mac, item.end
        if (before, end) != (self._mac, self._offset):
            raise SegmentChanged(f"{self._path.name}: what was acknowledged does not read back")


class SegmentChanged(Exception):
    """Acknowledged records are gone or changed: nothing may be appended until a person has looked."""
