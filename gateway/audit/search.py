"""A searchable copy of the journal, in SQLite: who saw what, when, from where.

Filled from the segments, each event once (writer, epoch, sequence), the place reached kept in the same transaction. The copy can
be deleted; it is made again. The segments stay the truth, and the journal goes on when the copy cannot.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .segment import Torn, read, segments

_BATCH = 2000
_EVERY = 0.5  # seconds
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  writer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, type TEXT NOT NULL,
  request TEXT, subject TEXT, name TEXT, system TEXT, fields BLOB NOT NULL, PRIMARY KEY (writer, epoch, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE INDEX IF NOT EXISTS event_request ON event (request) WHERE request IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_subject ON event (subject, at) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS patient (
  namespace TEXT NOT NULL, value TEXT NOT NULL, writer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (value, namespace, writer, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (path TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
"""


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


@dataclass(frozen=True, slots=True)
class Found:
    writer: str
    epoch: int
    seq: int
    at: float
    type: str
    fields: dict[str, Any]


def open_copy(data_dir: Path) -> sqlite3.Connection:
    """Made when it is not there. Raises sqlite3.Error."""
    path = data_dir / "search.db"
    connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # what is lost here is read again from the segments
    connection.executescript(_SCHEMA)
    return connection


def catch_up(data_dir: Path, copy: sqlite3.Connection) -> int:
    """Bring the copy up to the segments; the number of events added. Raises sqlite3.Error, OSError."""
    added = 0
    root = data_dir / "journal"
    for folder in sorted(f for f in root.iterdir() if f.is_dir()) if root.is_dir() else []:
        for path in segments(folder):
            added += _segment(path, folder.name, copy)
    return added


def _segment(path: Path, writer: str, copy: sqlite3.Connection) -> int:
    key = f"{writer}/{path.name}"
    row = copy.execute("SELECT offset FROM reached WHERE path = ?", (key,)).fetchone()
    offset, added = (row[0] if row else 0), 0
    while batch := list(_some(path, offset)):
        copy.execute("BEGIN IMMEDIATE")
        try:
            for end, event in batch:
                offset = end
                if "type" in event:
                    _insert(copy, writer, event)
                    added += 1
            copy.execute("INSERT OR REPLACE INTO reached VALUES (?, ?)", (key, offset))
            copy.execute("COMMIT")
        except BaseException:
            copy.execute("ROLLBACK")
            raise
    return added


def _some(path: Path, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, record in enumerate(read(path, offset)):
        if isinstance(record, Torn) or number >= _BATCH:
            return
        yield record.end, orjson.loads(record.payload)


def _insert(copy: sqlite3.Connection, writer: str, event: dict[str, Any]) -> None:
    fields: dict[str, Any] = event["fields"]
    place = (writer, event["epoch"], event["seq"])
    copy.execute(
        "INSERT OR IGNORE INTO event VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            *place,
            event["at"],
            event["type"],
            fields.get("request"),
            fields.get("subject"),
            fields.get("name"),
            fields.get("system"),
            orjson.dumps(fields),
        ),
    )
    for namespace, value in fields.get("patients", ()):
        copy.execute("INSERT OR IGNORE INTO patient VALUES (?,?,?,?,?)", (namespace, value, *place))


def search(copy: sqlite3.Connection, question: Question) -> list[Found]:
    """Newest first. The caller journals that it was asked."""
    where, values = ["1"], list[Any]()
    if question.who:
        where.append("(subject = ? OR name LIKE ? ESCAPE '\\')")
        values += [question.who, f"%{_like(question.who)}%"]
    if question.patient:
        where.append(
            "(writer, epoch, seq) IN (SELECT writer, epoch, seq FROM patient WHERE value = ?"
            " UNION SELECT e.writer, e.epoch, e.seq FROM patient p JOIN event r USING (writer, epoch, seq)"
            " JOIN event e ON e.request = r.request WHERE p.value = ?)"
        )
        plain = question.patient.replace(" ", "")
        values += [plain, plain]
    for column in ("system", "type", "request"):
        if wanted := getattr(question, column):
            where.append(f"{column} = ?")
            values.append(wanted)
    for sign, instant in ((">=", question.since), ("<", question.until)):
        if instant:
            where.append(f"at {sign} ?")
            values.append(instant)
    rows = copy.execute(
        f"SELECT writer, epoch, seq, at, type, fields FROM event WHERE {' AND '.join(where)}"  # noqa: S608 - fixed words only
        " ORDER BY at DESC, epoch DESC, seq DESC LIMIT ?",
        (*values, question.limit),
    )
    return [Found(w, e, s, at, kind, orjson.loads(fields)) for w, e, s, at, kind, fields in rows]


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class SearchCopy:
    """Keeps the copy up to date beside a running gateway, in a thread of its own, half a second behind."""

    def __init__(self, data_dir: Path, alarm: Callable[[str, str], None]) -> None:
        self._data_dir = data_dir
        self._alarm = alarm
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="journal-search-copy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        copy: sqlite3.Connection | None = None
        while True:
            last = self._stop.is_set()
            try:
                copy = copy or open_copy(self._data_dir)
                catch_up(self._data_dir, copy)
                self._say(failing=False)
            except (sqlite3.Error, OSError):
                self._say(failing=True)
                with contextlib.suppress(sqlite3.Error):
                    if copy is not None:
                        copy.close()
                copy = None
            if last or (self._stop.wait(_EVERY) and copy is None):
                break
        if copy is not None:
            copy.close()

    def _say(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            self._alarm("search-copy", "failing" if failing else "ok")
