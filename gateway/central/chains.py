"""A writer's records out of the central journal, in the order of its segments, for whoever follows its chain."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from ..audit.segment import Record, SegmentName, parse_closing, parse_header
from ..audit.verify import Chain, WriterReport
from .connection import Connection, within

_AT_ONCE = 2000
_WITHIN = 31.0  # seconds for so many
_FRAMES = "SELECT epoch, segment, place, mac, payload FROM frame WHERE writer = %s ORDER BY epoch, segment, place"
_EVENTS = "SELECT epoch, seq, mac, payload FROM event WHERE writer = %s ORDER BY epoch, seq"


def follow(c: Connection, writer: str, report: WriterReport, key: bytes, progress: Callable[[int], None]) -> None:
    """Fill the report. An offset is a sequence number here. Raises CentralUnavailable."""
    with within(_WITHIN, c):
        frames = c.execute(_FRAMES, (writer,)).fetchall()
    chain = Chain(report, key, progress, "sequence")
    found = [(SegmentName(*name), list(rows)) for name, rows in groupby(frames, lambda row: row[:2])]
    with contextlib.closing(_Events(c, writer)) as events:
        for number, (name, rows) in enumerate(found):
            later = found[number + 1] if number + 1 < len(found) else None
            limit = _next(later[1][0]) if later is not None and later[0].epoch == name.epoch else 0
            chain.segment(name, _records(name, rows, events, limit), torn=False)
            if report.bad:
                return
        if events.next is not None:
            report.bad = f"sequence {events.next[1]} stands in no segment: the records around it were removed"


def _records(name: SegmentName, frames: list[tuple[Any, ...]], events: _Events, limit: int) -> Iterator[Record]:
    """`limit`: the sequence with which the next segment of the epoch begins; 0 where there is none."""
    for _, _, place, mac, payload in frames:
        if place == 0:
            yield Record(_next((0, 0, 0, mac, payload)), mac, payload)
            yield from events.of(name.epoch, limit)
        else:
            yield Record(_closes(payload), mac, payload)


def _next(frame: tuple[Any, ...]) -> int:
    """The sequence that follows a header; 0 where it is none, which the chain says."""
    try:
        return int(parse_header(frame[4])["next"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0


def _closes(payload: bytes) -> int:
    try:
        return parse_closing(payload)
    except (ValueError, AttributeError):
        return 0


class _Events:
    """A writer's, one after the other, never many in memory."""

    def __init__(self, c: Connection, writer: str) -> None:
        self._connection = c
        self._cursor = c.cursor("events")
        with within(_WITHIN, c):
            self._cursor.execute(_EVENTS, (writer,))
        self._rows: list[tuple[Any, ...]] = []
        self.next: tuple[Any, ...] | None = None
        self._advance()

    def of(self, epoch: int, limit: int) -> Iterator[Record]:
        while self.next is not None and self.next[0] == epoch and not (0 < limit <= self.next[1]):
            _, seq, mac, payload = self.next
            yield Record(seq, mac, payload)
            self._advance()

    def _advance(self) -> None:
        if not self._rows:
            with within(_WITHIN, self._connection):
                self._rows = self._cursor.fetchmany(_AT_ONCE)[::-1]
        self.next = self._rows.pop() if self._rows else None

    def close(self) -> None:
        with within(_WITHIN, self._connection):
            self._cursor.close()
