"""Who saw what, when, from where: questions to the searchable copy, and the thread that keeps it half a second behind.

The journal goes on when the copy cannot. Under a load of more than some 1,500 requests a second the copy falls behind, and comes up
when that is over; whoever searches brings it up first.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .asked import Copy, words_of
from .copying import NAME, catch_up, open_copy

__all__ = ["Found", "Place", "Question", "SearchCopy", "catch_up", "found", "open_copy", "search"]

_EVERY = 0.5  # seconds
_AT_ONCE = 2000  # events in one turn; the last turn takes more
_LAST = 200_000
_SHARE = 0.05  # of a core, at most: the copy waits for clinicians, never they for the copy

Place = tuple[float, str, int, int]  # at, writer, epoch, sequence: the order of what is found


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for; empty fields ask for everything."""

    who: str = ""  # subject, or a part of the name
    patient: str = ""  # an identifier's value, blanks allowed in an NHS number
    system: str = ""
    type: str = ""
    request: str = ""
    since: float = 0.0
    until: float = 0.0
    limit: int = 100
    behind: Place | None = None  # the next page: what stands behind the last place of the page before


@dataclass(frozen=True, slots=True)
class Found:
    writer: str
    epoch: int
    seq: int
    at: float
    type: str
    fields: dict[str, Any]

    @property
    def place(self) -> Place:
        return self.at, self.writer, self.epoch, self.seq


def search(copy: Copy, question: Question) -> list[Found]:
    """Newest first. The caller journals that it was asked."""
    where, values, words = ["1 = 1"], list[Any](), words_of(copy)
    if question.who:
        where.append(words.who)
        values += [question.who, *[f"%{_like(question.who)}%"] * (words.who.count("?") - 1)]
    if question.patient:
        where.append(
            "(writer, epoch, seq) IN (SELECT writer, epoch, seq FROM patient WHERE value IN (?, ?)"
            " UNION SELECT e.writer, e.epoch, e.seq FROM patient p JOIN event r USING (writer, epoch, seq)"
            " JOIN event e ON e.request = r.request WHERE p.value IN (?, ?))"
        )
        values += [question.patient, question.patient.replace(" ", "")] * 2
    for column in ("system", "type", "request"):
        if wanted := getattr(question, column):
            where.append(f"{column} = ?")
            values.append(wanted)
    for sign, instant in ((">=", question.since), ("<", question.until)):
        if instant:
            where.append(f"at {sign} ?")
            values.append(instant)
    if question.behind is not None:
        where.append("(at, writer, epoch, seq) < (?, ?, ?, ?)")
        values += question.behind
    rows = copy.execute(
        f"SELECT writer, epoch, seq, at, type, payload FROM event WHERE {' AND '.join(where)}"  # noqa: S608 - fixed words only
        " ORDER BY at DESC, writer DESC, epoch DESC, seq DESC LIMIT ?",
        (*values, question.limit),
    )
    return found(rows)


def found(rows: Iterable[tuple[Any, ...]]) -> list[Found]:
    """Rows of writer, epoch, sequence, instant, type and payload."""
    return [Found(w, e, s, at, kind, orjson.loads(payload)["fields"]) for w, e, s, at, kind, payload in rows]


def found_by(copy: Copy, kind: str, field: str, values: list[str], *, since: float) -> list[Found]:
    """Events of one type in which a field that is no column has one of these values, newest first. Reads them all since then."""
    rows = copy.execute(
        "SELECT writer, epoch, seq, at, type, payload FROM event WHERE at >= ? AND type = ?"  # noqa: S608 - fixed words only
        f" AND {words_of(copy).of_field(field)} {words_of(copy).among}"
        " ORDER BY at DESC, writer DESC, epoch DESC, seq DESC",
        (since, kind, orjson.dumps(values).decode()),
    )
    return found(rows)


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class SearchCopy:
    """Keeps the copy up to date; says `search-copy` `failing` and `ok` through `alarm`, from its thread."""

    def __init__(self, data_dir: Path, alarm: Callable[[str, str], None], every: float = _EVERY) -> None:
        self._data_dir = data_dir
        self._alarm = alarm
        self._every = every
        self._stop = threading.Event()
        self._failing = False
        self._copy: sqlite3.Connection | None = None
        self._inode = 0
        self._thread = threading.Thread(target=self._run, name="journal-search-copy", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> bool:
        return self._failing

    def close(self) -> None:
        """Catch up a last time and stop."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last, spent = False, 0.0
        while not last:
            last = self._stop.wait(max(self._every, spent / _SHARE))
            begun = time.thread_time()
            try:
                self._go_on(_LAST if last else _AT_ONCE)
            except Exception:  # whatever it is, the copy is behind and the journal goes on
                self._drop()
                self._say(failing=True)
            else:
                self._say(failing=False)
            spent = time.thread_time() - begun
        self._drop()

    def _go_on(self, most: int) -> None:
        path = self._data_dir / NAME
        if self._copy is not None and (not path.exists() or path.stat().st_ino != self._inode):
            self._drop()  # somebody took the file away: make it again, and say so
            self._say(failing=True)
        if self._copy is None:
            self._copy = open_copy(self._data_dir)
            self._inode = path.stat().st_ino
        catch_up(self._data_dir, self._copy, most)

    def _drop(self) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            with contextlib.suppress(sqlite3.Error):
                copy.close()

    def _say(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            self._alarm("search-copy", "failing" if failing else "ok")
