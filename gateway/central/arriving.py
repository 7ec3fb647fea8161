"""A portion of a segment into the central journal: whole or not at all, each record once.

The place that is reached is kept in the same transaction. What is there already stays as it is; where it is another record than the one
that came, that is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..audit.copying import Rows, put_rows
from ..audit.segment import Record, SegmentName
from .connection import Connection

_EVENT = "INSERT INTO event (writer, epoch, seq, at, type, request, subject, name, system, payload, mac) SELECT * FROM unnest("
_EVENT += (
    "%s::text[], %s::int[], %s::bigint[], %s::float8[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
)
_EVENT += " %s::bytea[], %s::bytea[]) ON CONFLICT DO NOTHING"
_PERSON = "INSERT INTO person (subject, name) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING"
_PATIENT = "INSERT INTO patient (namespace, value, writer, epoch, seq) SELECT * FROM unnest("
_PATIENT += "%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[]) ON CONFLICT DO NOTHING"
_ABOUT = "INSERT INTO about (kind, value, at, writer, epoch, seq) SELECT * FROM unnest("
_ABOUT += "%s::text[], %s::text[], %s::float8[], %s::text[], %s::int[], %s::bigint[]) ON CONFLICT DO NOTHING"
_FRAME = "INSERT INTO frame (writer, epoch, segment, place, mac, payload) SELECT * FROM unnest("
_FRAME += "%s::text[], %s::int[], %s::int[], %s::bigint[], %s::bytea[], %s::bytea[]) ON CONFLICT DO NOTHING"
_REACHED = "INSERT INTO reached AS r (writer, epoch, segment, place, seq) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (writer, epoch, segment)"
_REACHED += " DO UPDATE SET place = excluded.place, seq = greatest(r.seq, excluded.seq) WHERE r.place < excluded.place"
_OTHER_EVENT = "SELECT min(e.seq) FROM event e JOIN unnest(%s::int[], %s::bigint[], %s::bytea[], %s::bytea[])"
_OTHER_EVENT += " AS n (epoch, seq, payload, mac) USING (epoch, seq) WHERE e.writer = %s AND (e.payload <> n.payload OR e.mac <> n.mac)"
_OTHER_FRAME = (
    "SELECT min(f.place) FROM frame f JOIN unnest(%s::bigint[], %s::bytea[], %s::bytea[]) AS n (place, mac, payload)"
)
_OTHER_FRAME += " USING (place) WHERE f.writer = %s AND f.epoch = %s AND f.segment = %s AND (f.payload <> n.payload OR f.mac <> n.mac)"


@dataclass(frozen=True, slots=True)
class Portion:
    """Records that follow each other in a segment, and from where on they are there."""

    writer: str  # in the central journal
    segment: SegmentName
    records: list[Record]

    @property
    def end(self) -> int:
        return self.records[-1].end


@dataclass(frozen=True, slots=True)
class Arrived:
    last: int  # the portion's last event's sequence; 0 where it has none
    at: float = 0.0  # when that was
    other: str = ""  # where another record stands already than the one that came; empty: nowhere


def arrive(c: Connection, portion: Portion) -> Arrived:
    """In one transaction. Raises psycopg.Error; then nothing of it is there."""
    events, patients, about, frames = _rows(portion)
    last = int(events[-1][2]) if events else 0
    name, other = portion.segment, ""
    with c.transaction():
        if events and _put(c, _EVENT, events) < len(events):
            other = _other_event(c, portion.writer, events)
        if frames and _put(c, _FRAME, frames) < len(frames):
            other = other or _other_frame(c, portion, frames)
        _put(c, _PERSON, sorted({(row[6], row[7] or "") for row in events if row[6]}))
        _put(c, _PATIENT, patients)
        _put(c, _ABOUT, about)
        c.execute(_REACHED, (portion.writer, name.epoch, name.index, portion.end, last))
    return Arrived(last, float(events[-1][3]) if events else 0.0, other)


def _rows(portion: Portion) -> tuple[Rows, Rows, Rows, Rows]:
    events, patients, about, frames = Rows(), Rows(), Rows(), Rows()
    name = portion.segment
    for record in portion.records:
        if put_rows(record.payload, events, patients, about):
            events[-1] = (portion.writer, *map(_text, events[-1][1:]), record.mac)
        else:
            frames.append((portion.writer, name.epoch, name.index, record.offset, record.mac, record.payload))
    named = [(*map(_text, row[:2]), portion.writer, *row[3:]) for row in patients]
    found = [(row[0], _text(row[1]), row[2], portion.writer, *row[4:]) for row in about]
    return events, named, found, frames


def _text(value: Any) -> Any:
    """PostgreSQL has no zero character in a text; the exact words are in the payload."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _put(c: Connection, statement: str, rows: Rows) -> int:
    """How many were not there yet."""
    return c.execute(statement, _columns(rows)).rowcount if rows else 0


def _other_event(c: Connection, writer: str, events: Rows) -> str:
    columns = _columns((row[1], row[2], row[9], row[10]) for row in events)
    seq = _one(c.execute(_OTHER_EVENT, (*columns, writer)))
    return "" if seq is None else f"sequence {seq} of `{writer}`"


def _other_frame(c: Connection, portion: Portion, frames: Rows) -> str:
    columns, name = _columns(row[3:] for row in frames), portion.segment
    place = _one(c.execute(_OTHER_FRAME, (*columns, portion.writer, name.epoch, name.index)))
    return "" if place is None else f"byte {place} of segment {name.epoch}-{name.index} of `{portion.writer}`"


def _one(cursor: Any) -> int | None:
    row = cursor.fetchone()
    return None if row is None or row[0] is None else int(row[0])
