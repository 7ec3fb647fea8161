"""One writer's segments, followed portion by portion, as far as they are durable and no further.

What the writer has written and not yet synced may be cut again, and what arrived once stays: so its own word is waited for
(gateway/audit/synced.py). A segment that is not its newest is as it will be. Of a writer from before that word was given, all is taken once
nobody writes there any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..audit.segment import Record, SegmentName, read, segments
from ..audit.synced import Synced, synced
from ..audit.verify import held
from .arriving import Portion

_BYTES = 2 << 20  # in a portion, and one record more


class Following:
    def __init__(self, folder: Path, writer: str, reached: dict[SegmentName, int]) -> None:
        """`writer`: its name in the central journal; `reached`: bytes of each segment that are there already."""
        self.folder = folder
        self.writer = writer
        self._reached = reached
        self._over: set[SegmentName] = set()
        self._seen: Synced | None = None  # nothing is left up to here

    def portion(self, most: int) -> Portion | None:
        """The next records, at most so many; None where nothing new is durable. Raises OSError."""
        mark = synced(self.folder)
        if mark is not None and mark == self._seen:
            return None
        for path in segments(self.folder):
            name = SegmentName.of(path)
            if name in self._over:
                continue
            if records := list(self._records(path, name, mark, most)):
                return Portion(self.writer, name, records)
            if mark is not None and (name.epoch, name.index) < (mark.epoch, mark.segment):
                self._over.add(name)
        self._seen = mark
        return None

    def arrived(self, portion: Portion) -> None:
        self._reached[portion.segment] = portion.end

    def _records(self, path: Path, name: SegmentName, mark: Synced | None, most: int) -> Iterator[Record]:
        limit, begin = self._durable(path, name, mark), self._reached.get(name, 0)
        if begin >= limit:
            return
        for number, record in enumerate(read(path, begin, tears=False)):
            if not isinstance(record, Record) or record.end > limit or number >= most:
                return
            yield record
            if record.end - begin > _BYTES:
                return

    def _durable(self, path: Path, name: SegmentName, mark: Synced | None) -> int:
        """Bytes of the segment that nothing takes back."""
        if mark is None:
            return 0 if held(self.folder) else path.stat().st_size
        place, newest = (name.epoch, name.index), (mark.epoch, mark.segment)
        if place == newest:
            return mark.offset
        return path.stat().st_size if place < newest else 0
