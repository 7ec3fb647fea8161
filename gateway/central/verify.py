"""Is the central journal whole, does it agree with the segments here, and what of whom has never arrived?

Every writer's chain is followed in the central journal as it is in segments, whether its machine is still there or not. A keyed chain that
verifies on both sides and has the same mac at one place is the same up to there. What a writer said it had written and what is not there is
missing: of a machine that is at work it may still be on its way, of one that has gone silent, or where it had been there, it is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..audit.segment import Record, parse_header, read, segments, writers
from ..audit.verify import Report, WriterReport
from .chains import follow
from .claims import installation
from .connection import Central, Connection, closed, within

_ANSWERS_WITHIN = 30.0
_SILENT = 10.0  # seconds since a writer that is at work last told how far it is
_WRITERS = """
SELECT w.writer, w.folder, w.installation, w.seq, w.at, extract(epoch FROM now() - w.told)::float8,
  coalesce((SELECT max(r.seq) FROM reached r WHERE r.writer = w.writer), 0)
FROM writer w ORDER BY w.writer
"""


@dataclass(slots=True)
class CentralWriter:
    """One writer there. `report.last` is the last event that is proven; `missing` counts those behind it that never came."""

    report: WriterReport
    folder: str
    here: bool  # it writes, or wrote, in this data directory
    told: int  # the last sequence that it said was durable on its own disk
    told_at: float
    missing: int = 0
    on_their_way: int = 0


@dataclass(frozen=True, slots=True)
class CentralReport:
    writers: tuple[CentralWriter, ...]

    @property
    def whole(self) -> bool:
        return not any(w.report.bad or w.missing for w in self.writers)

    @property
    def events(self) -> int:
        return sum(w.report.events for w in self.writers)

    @property
    def missing(self) -> int:
        return sum(w.missing for w in self.writers)


def verify_central(
    central: Central, data_dir: Path, key: bytes, progress: Callable[[int], None] = lambda events: None
) -> CentralReport:
    """To be called before the segments here are verified: they may go on meanwhile. Raises CentralUnavailable, OSError."""
    c = central.connect(_ANSWERS_WITHIN)
    try:
        with within(_ANSWERS_WITHIN, c):
            c.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            rows = c.execute(_WRITERS).fetchall()
        number = installation(data_dir) if writers(data_dir) else ""
        return CentralReport(tuple(_writer(c, row, number, key, progress) for row in rows))
    finally:
        closed(c)


def _writer(
    c: Connection, row: tuple[object, ...], number: str, key: bytes, progress: Callable[[int], None]
) -> CentralWriter:
    name, folder, owner, told, at, silent, came = row
    report = WriterReport(str(folder), being_written=float(str(silent)) < _SILENT)
    follow(c, str(name), report, key, progress)
    report.name = str(name)
    one = CentralWriter(report, str(folder), owner == number, int(str(told)), float(str(at)))
    last = report.last[1]
    if report.bad:
        return one  # what is there behind the bad place is neither proven nor missing
    if report.being_written or one.here:
        one.missing = max(0, int(str(came)) - last)  # it had been there
        one.on_their_way = max(0, one.told - last - one.missing)
    else:
        one.missing = max(0, one.told - last)
    return one


def compare(central: CentralReport, local: Report, data_dir: Path) -> None:
    """Where the two disagree, that is written into the central report. Raises OSError."""
    proven = {writer.name: writer for writer in local.writers}
    for one in central.writers:
        if not one.here or one.report.bad:
            continue
        here = proven.get(one.folder)
        if here is None:
            one.report.bad = "its folder is gone from this machine, where it was written"
        elif not here.bad:
            one.report.bad = _difference(one.report, here, data_dir / "journal" / one.folder)


def _difference(there: WriterReport, here: WriterReport, folder: Path) -> str:
    epoch, seq, mac = there.last
    if not seq:
        return ""
    if (epoch, seq) > here.last[:2]:
        return f"holds events up to {seq}, and the segments here end at {here.last[1]}: the newest were cut off here"
    if _mac_here(folder, epoch, seq) != mac:
        return (
            f"its event {seq} is another than the one in the segments here: one of the two was written by somebody else"
        )
    return ""


def _mac_here(folder: Path, epoch: int, seq: int) -> bytes:
    """Of a proven event; empty where there is none of this epoch and sequence."""
    for path in reversed(segments(folder)):
        number = 0
        for item in read(path, tears=False):
            if not isinstance(item, Record):
                break
            if item.offset == 0:
                header = parse_header(item.payload)
                if header["epoch"] != epoch or header["next"] > seq:
                    break
                number = int(header["next"]) - 1
            elif not item.closes:
                number += 1
                if number == seq:
                    return item.mac
    return b""
