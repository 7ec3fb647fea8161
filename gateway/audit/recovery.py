"""Where a writer goes on after whatever happened: the last whole record, a torn tail cut and said.

A record that fails its checksum is a torn write only if nothing acknowledged follows it; the sync that covered a later group
covered it too. Anything else was changed by somebody, or by the disk, and is left as it is for them to be found: the start is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .disk import Disk
from .segment import (
    FIRST,
    Record,
    SegmentName,
    Torn,
    later_group,
    mac,
    parse_closing,
    parse_header,
    read,
    segments,
)
from .tail import Place

_EVIDENCE = "Keep the file as evidence, run `lanyard audit verify`, and restore the segment from a backup"


class JournalDamaged(Exception):
    """A segment was changed, or its key is another. The message names segment, offset and remedy."""


@dataclass(frozen=True, slots=True)
class Recovered:
    place: Place
    cut: int  # bytes of a torn tail
    orderly: bool  # the last writer closed its segment, or there was none

    @property
    def last(self) -> int:
        """The last whole sequence."""
        return self.place.sequence - 1


def recover(folder: Path, key: bytes, disk: Disk) -> Recovered:
    """Read the newest segment, cut what is torn, and say where to go on. Raises JournalDamaged, OSError."""
    found = segments(folder)
    epoch = SegmentName.of(found[-1]).epoch + 1 if found else 1
    cut = 0
    for path in reversed(found):
        end = _End(path, key)
        cut += end.torn
        if end.whole == 0:
            disk.remove(path)  # its header was never durable, so neither was anything behind it
            continue
        if path.stat().st_size > end.whole:
            disk.cut(path, end.whole)
        return Recovered(Place(epoch, 1, end.sequence, end.mac), cut, end.closed and not cut)
    return Recovered(Place(epoch, 1, 1, FIRST), cut, not cut)


class _End:
    """The last whole record of a segment, everything before it checked. Raises JournalDamaged."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.mac = FIRST
        self.sequence = 0  # the one that follows
        self.whole = 0  # bytes; 0 where not even the header is whole
        self.torn = 0  # bytes
        self.closed = False
        self._path = path
        self._key = key
        for item in read(path):
            if isinstance(item, Torn):
                self._only_torn(item)
            elif self.whole == 0:
                self._begin(item)
            else:
                self._go_on(item)

    def _begin(self, record: Record) -> None:
        try:
            fields = parse_header(record.payload)
            before, self.sequence = bytes.fromhex(fields["before"]), int(fields["next"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise JournalDamaged(f"{self._path.name}: begins with no header. {_EVIDENCE}") from None
        if mac(self._key, before, record.payload) != record.mac:
            raise JournalDamaged(
                f"{self._path.name}: its header does not verify: `keys.journal` is another key, or the segment was "
                f"changed. {_EVIDENCE}"
            )
        self.mac, self.whole = record.mac, record.end

    def _go_on(self, record: Record) -> None:
        if self.closed or mac(self._key, self.mac, record.payload) != record.mac:
            raise JournalDamaged(
                f"{self._path.name}: the record at byte {record.offset} does not verify: it was changed. {_EVIDENCE}"
            )
        if record.closes:
            self.closed = parse_closing(record.payload) == self.sequence
        else:
            self.sequence += 1
        self.mac, self.whole = record.mac, record.end

    def _only_torn(self, torn: Torn) -> None:
        if self.closed or later_group(self._path, torn.offset, self.sequence):
            raise JournalDamaged(
                f"{self._path.name}: the record at byte {torn.offset} was changed: acknowledged events follow it. "
                f"{_EVIDENCE}"
            )
        self.torn = torn.length
