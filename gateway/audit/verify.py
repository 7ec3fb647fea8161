"""Is the journal whole, and how far is that proven?

Reads every segment of every writer: frame, checksum, chain, sequence, epoch, JSON. Stops a writer at its first bad place. What it
cannot see by itself is the newest events cut off together with the record that closed the segment: nobody outside holds a later
hash yet. It says so (`orderly`), and compares with the searchable copy, which may know a later sequence.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from .copying import newest_copied
from .segment import (
    FIRST,
    Record,
    SegmentName,
    Torn,
    mac,
    parse_closing,
    parse_header,
    read,
    segments,
    strangers,
    writers,
)

_ENDS = frozenset({"record.completed", "record.incomplete", "write.aborted"})
_OPEN_ENDS_KEPT = 100_000
_TELL_EVERY = 50_000


@dataclass(slots=True)
class WriterReport:
    """One writer: how many events are proven, up to when, and the first bad place if there is one."""

    name: str
    events: int = 0
    until: float = 0.0
    bad: str = ""  # empty: whole
    being_written: bool = False  # a running gateway holds it; a cut last record is a write on its way
    orderly: bool = False  # the newest segment was closed: nothing can have been cut off behind it
    types: Counter[str] = field(default_factory=Counter)
    last: tuple[int, int, bytes] = (0, 0, b"")  # epoch, sequence and mac of the last event that is proven
    unended: set[str] = field(default_factory=set)  # requests whose intent has no end: they count as released


@dataclass(frozen=True, slots=True)
class Report:
    writers: tuple[WriterReport, ...]

    @property
    def whole(self) -> bool:
        return bool(self.writers) and not any(w.bad for w in self.writers)

    @property
    def events(self) -> int:
        return sum(w.events for w in self.writers)

    @property
    def unended(self) -> int:
        return sum(len(w.unended) for w in self.writers)


def verify(data_dir: Path, key: bytes, progress: Callable[[int], None] = lambda events: None) -> Report:
    """All writers below `data_dir/journal`. `progress` hears of every 50,000 events. Raises OSError."""
    return Report(tuple(_writer(folder, data_dir, key, progress) for folder in writers(data_dir)))


def _writer(folder: Path, data_dir: Path, key: bytes, progress: Callable[[int], None]) -> WriterReport:
    report = WriterReport(folder.name, being_written=held(folder))
    copied = newest_copied(data_dir, folder.name)  # before reading: a running writer goes on
    chain, found = Chain(report, key, progress), segments(folder)
    for path in found:
        chain.segment(SegmentName.of(path), read(path), torn=path is found[-1] and report.being_written)
        if report.bad:
            return report
    if strays := strangers(folder):
        report.bad = f"`{strays[0]}` is no segment's name: it was put there"
    elif copied > chain.next - 1:
        report.bad = (
            f"ends at sequence {chain.next - 1}, but the searchable copy holds {copied}: the newest were cut off"
        )
    return report


def held(folder: Path) -> bool:
    """Whether somebody writes there now."""
    try:
        fd = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class Chain:
    """Follows one writer's chain, segment by segment, and fills its report; from files, or from wherever the records are kept."""

    def __init__(self, report: WriterReport, key: bytes, progress: Callable[[int], None], unit: str = "byte") -> None:
        """`unit`: what a record's offset counts."""
        self.next = 1
        self._unit = unit
        self._report = report
        self._key = key
        self._progress = progress
        self._mac = FIRST
        self._at = SegmentName(0, 0)

    def segment(self, name: SegmentName, items: Iterable[Record | Torn], *, torn: bool) -> None:
        """`torn`: a cut last record is a write on its way."""
        begun = closed = False
        for item in items:
            if isinstance(item, Torn):
                bad = "" if torn else item.why
            elif closed:
                bad = "a record follows the one that closed the segment"
            elif not begun:
                begun, bad = True, self._header(name, item)
            elif item.closes:
                closed, bad = True, self._closing(item)
            else:
                bad = self._event(name, item)
            if bad:
                self._report.bad = f"{name.path(Path()).name}, {self._unit} {item.offset}: {bad}"
                return
        self._report.orderly = closed

    def _header(self, name: SegmentName, record: Record) -> str:
        try:
            fields = parse_header(record.payload)
        except (ValueError, AttributeError):
            return "a segment begins with its header, and this is none"
        if mac(self._key, self._mac, record.payload) != record.mac:
            return (
                f"the header does not continue sequence {self.next - 1}: a segment is missing, moved or changed, "
                "or `keys.journal` is another key"
            )
        said = (fields.get("writer"), fields.get("epoch"), fields.get("index"), fields.get("next"))
        if said != (self._report.name, name.epoch, name.index, self.next) or name <= self._at:
            return "the header belongs to another place"
        self._mac, self._at = record.mac, name
        return ""

    def _closing(self, record: Record) -> str:
        if mac(self._key, self._mac, record.payload) != record.mac:
            return f"the closing record after sequence {self.next - 1} was changed, or what stood before it was removed"
        self._mac = record.mac
        try:
            said = parse_closing(record.payload)
        except (ValueError, AttributeError):
            return "a closing record says nothing"
        return "" if said == self.next else f"closed at sequence {said}, where {self.next} belongs"

    def _event(self, name: SegmentName, record: Record) -> str:
        if mac(self._key, self._mac, record.payload) != record.mac:
            return f"the record after sequence {self.next - 1} was changed, removed or moved"
        try:
            event = orjson.loads(record.payload)
            place = event["writer"], event["epoch"], event["seq"]
            self._tell(event)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return "a record is no event"
        if place != (self._report.name, name.epoch, self.next):
            return f"sequence {place[2]} of `{place[0]}` stands where {self.next} belongs"
        self._mac = record.mac
        self._report.last = name.epoch, self.next, record.mac
        self.next += 1
        return ""

    def _tell(self, event: dict[str, Any]) -> None:
        report, kind, fields = self._report, event["type"], event["fields"]
        report.until = event["at"]
        report.events += 1
        report.types[kind] += 1
        if kind == "access.intent":
            if len(report.unended) < _OPEN_ENDS_KEPT:
                report.unended.add(fields["request"])
        elif kind in _ENDS:
            report.unended.discard(fields.get("request"))
        if report.events % _TELL_EVERY == 0:
            self._progress(report.events)
