"""Is the journal whole, and how far is that proven?

Reads every segment of every writer: frame, checksum, chain, sequence, epoch, JSON. Stops a writer at its first bad place. What it
cannot see is the newest events cut off: nobody outside holds a later hash yet.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from .segment import FIRST, Record, SegmentName, Torn, mac, parse_header, read, segments

_ENDS = frozenset({"record.completed", "record.incomplete", "write.aborted"})
_OPEN_ENDS_KEPT = 100_000


@dataclass(slots=True)
class WriterReport:
    """One writer: how many events are proven, up to when, and the first bad place if there is one."""

    name: str
    events: int = 0
    until: float = 0.0
    bad: str = ""  # empty: whole
    being_written: bool = False  # a running gateway holds it; a cut last record is a write on its way
    types: Counter[str] = field(default_factory=Counter)
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
    """All writers below `data_dir/journal`. `progress` hears of every 50,000 events."""
    root = data_dir / "journal"
    folders = sorted(f for f in root.iterdir() if f.is_dir()) if root.is_dir() else []
    return Report(tuple(_writer(folder, key, progress) for folder in folders))


def _writer(folder: Path, key: bytes, progress: Callable[[int], None]) -> WriterReport:
    report = WriterReport(folder.name, being_written=_held(folder))
    chain = _Chain(report, key, progress)
    found = segments(folder)
    for path in found:
        report.bad = chain.segment(path, newest=path is found[-1])
        if report.bad:
            break
    return report


def _held(folder: Path) -> bool:
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


class _Chain:
    def __init__(self, report: WriterReport, key: bytes, progress: Callable[[int], None]) -> None:
        self._report = report
        self._key = key
        self._progress = progress
        self._mac = FIRST
        self._next = 1
        self._at = SegmentName(0, 0)

    def segment(self, path: Path, *, newest: bool) -> str:
        """Empty, or the first bad place in words."""
        name = SegmentName.of(path)
        begun = False
        for item in read(path):
            if isinstance(item, Torn):
                if newest and self._report.being_written:
                    return ""
                return f"{path.name}, byte {item.offset}: {item.why}"
            if not begun:
                begun = True
                bad = self._header(name, item)
            else:
                bad = self._record(name, item)
            if bad:
                return f"{path.name}, byte {item.offset}: {bad}"
        return ""

    def _header(self, name: SegmentName, record: Record) -> str:
        try:
            fields = parse_header(record.payload)
        except (ValueError, AttributeError):
            return "a segment begins with its header, and this is none"
        if mac(self._key, self._mac, record.payload) != record.mac:
            return f"the header does not continue sequence {self._next - 1}: a segment is missing, moved or changed"
        said = (fields.get("writer"), fields.get("epoch"), fields.get("index"), fields.get("next"))
        if said != (self._report.name, name.epoch, name.index, self._next) or name <= self._at:
            return "the header belongs to another place"
        self._mac, self._at = record.mac, name
        return ""

    def _record(self, name: SegmentName, record: Record) -> str:
        if mac(self._key, self._mac, record.payload) != record.mac:
            return f"the record after sequence {self._next - 1} was changed, removed or moved"
        try:
            event = orjson.loads(record.payload)
        except orjson.JSONDecodeError:
            return "a record is no JSON"
        if event["seq"] != self._next or event["epoch"] != name.epoch:
            return f"sequence {event['seq']} stands where {self._next} belongs"
        self._mac = record.mac
        self._next += 1
        self._tell(event)
        return ""

    def _tell(self, event: dict[str, object]) -> None:
        report, kind, fields = self._report, str(event["type"]), event["fields"]
        report.events += 1
        report.until = float(event["at"])  # type: ignore[arg-type]  # a number in every record that we write
        report.types[kind] += 1
        request = fields.get("request") if isinstance(fields, dict) else None
        if kind == "access.intent" and len(report.unended) < _OPEN_ENDS_KEPT:
            report.unended.add(str(request))
        elif kind in _ENDS:
            report.unended.discard(str(request))
        if report.events % 50_000 == 0:
            self._progress(report.events)
