"""Segments into a searchable copy in SQLite.

Each event once (writer, epoch, sequence), the place reached kept in the same transaction. The copy can be deleted; it is made
again. The segments stay the truth: where one was cut behind its last acknowledged record, what the copy had read of the rest
is forgotten.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from .segment import Record, SegmentName, parse_header, read, segments, writers

_BATCH = 2000
_AT_ONCE = 90  # rows in a statement: older SQLite takes 999 values
NAME = "search.db"
_TABLES = ("event", "patient", "about")
_VERSION = 1  # of the tables: a copy that has others is made again
# What else an event is found by, and the field that names it: seats by their device, accesses by their session.
ABOUT = {"access.intent": "session", "session.seated": "device_id"} | dict.fromkeys(
    ("device.enrolled", "device.approved", "device.changed", "device.revoked"), "device_id"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  writer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, type TEXT NOT NULL,
  request TEXT, subject TEXT, name TEXT, system TEXT, payload BLOB NOT NULL, PRIMARY KEY (writer, epoch, seq));
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE INDEX IF NOT EXISTS event_request ON event (request) WHERE request IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_subject ON event (subject, at) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS patient (
  namespace TEXT NOT NULL, value TEXT NOT NULL, writer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (value, namespace, writer, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS about (
  kind TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL, writer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (kind, value, at, writer, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (path TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
"""


Rows: TypeAlias = list[tuple[Any, ...]]


def open_copy(data_dir: Path) -> sqlite3.Connection:
    """Made when it is not there; put aside as `search.db.damaged` and made again when it is no database any more.

    Raises sqlite3.Error, OSError.
    """
    path = data_dir / NAME
    try:
        return _opened(path)
    except sqlite3.OperationalError:
        raise  # locked, or out of room: it may be whole
    except sqlite3.DatabaseError:
        path.rename(path.with_name(f"{NAME}.damaged"))
        for beside in ("-wal", "-shm"):
            path.with_name(NAME + beside).unlink(missing_ok=True)
        return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # what is lost here is read again from the segments
        connection.execute("PRAGMA cache_size=-32768")  # KiB: the indexes' pages are found here, not read again
        connection.execute("PRAGMA wal_autocheckpoint=8192")  # pages: fewer, longer moves into the database
        _begin_anew_where_other(connection)
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_anew_where_other(copy: sqlite3.Connection) -> None:
    """A copy of another release's tables is thrown away: it is read again from the segments."""
    if _version(copy) == _VERSION:
        return
    with _transaction(copy):
        if _version(copy) != _VERSION:  # else somebody else has just done it
            for table in (*_TABLES, "reached"):
                copy.execute(f"DROP TABLE IF EXISTS {table}")
            copy.execute(f"PRAGMA user_version = {_VERSION}")


def _version(copy: sqlite3.Connection) -> int:
    return int(copy.execute("PRAGMA user_version").fetchone()[0])


def catch_up(data_dir: Path, copy: sqlite3.Connection, most: int = 1 << 62) -> int:
    """Bring the copy up to the segments, or forward by `most` events and a batch; how many were read.

    Raises sqlite3.Error, OSError.
    """
    added = 0
    reached = dict(copy.execute("SELECT path, offset FROM reached"))
    for folder in writers(data_dir):
        for path in segments(folder):
            offset, size = reached.get(_key(path), 0), path.stat().st_size
            if offset > size:
                _forget(copy, path)
                return added + catch_up(data_dir, copy, most - added)
            if offset < size:
                added += _segment(path, offset, copy, most - added)
            if added >= most:
                return added
    return added


def _key(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _forget(copy: sqlite3.Connection, path: Path) -> None:
    """The segment was cut: forget what was read of it, and of those that its writer began later in that epoch."""
    writer, name = path.parent.name, SegmentName.of(path)
    begun = next((parse_header(r.payload)["next"] for r in read(path, tears=False) if isinstance(r, Record)), 0)
    with _transaction(copy):
        for table in _TABLES:
            copy.execute(
                f"DELETE FROM {table} WHERE writer = ? AND epoch = ? AND seq >= ?",  # noqa: S608 - fixed words only
                (writer, name.epoch, begun),
            )
        later = f"{writer}/{name.epoch:08d}-"
        copy.execute("DELETE FROM reached WHERE path >= ? AND path < ?", (_key(path), later + "~"))


@contextlib.contextmanager
def _transaction(copy: sqlite3.Connection) -> Iterator[None]:
    copy.execute("BEGIN IMMEDIATE")
    try:
        yield
        copy.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            copy.execute("ROLLBACK")
        raise


def _segment(path: Path, offset: int, copy: sqlite3.Connection, most: int) -> int:
    records, added = read(path, offset, tears=False), 0
    while added < most and (batch := [record for record in islice(records, _BATCH) if isinstance(record, Record)]):
        events, patients, about = Rows(), Rows(), Rows()
        for record in batch:
            put_rows(record.payload, events, patients, about)
        with _transaction(copy):
            _insert(copy, "event", events)
            _insert(copy, "patient", sorted(patients))
            _insert(copy, "about", sorted(about))
            copy.execute("INSERT OR REPLACE INTO reached VALUES (?, ?)", (_key(path), batch[-1].end))
        added += len(events)
    return added


def _insert(copy: sqlite3.Connection, table: str, rows: Rows) -> None:
    """Many rows in a statement: the thread lets go of the interpreter once for each, and other threads need it."""
    whole = len(rows) - len(rows) % _AT_ONCE
    for start in range(0, whole, _AT_ONCE):
        values = list(chain.from_iterable(rows[start : start + _AT_ONCE]))
        copy.execute(_statement(table, len(rows[0]), _AT_ONCE), values)
    if rest := rows[whole:]:
        copy.executemany(_statement(table, len(rest[0]), 1), rest)


@cache
def _statement(table: str, columns: int, rows: int) -> str:
    row = f"({','.join('?' * columns)})"
    return f"INSERT OR IGNORE INTO {table} VALUES {','.join([row] * rows)}"  # noqa: S608 - fixed words only


def put_rows(payload: bytes, events: Rows, patients: Rows, about: Rows) -> bool:
    """Add what a record is found by to these; False for a header or a closing record, which have nothing."""
    event = orjson.loads(payload)
    if "type" not in event:
        return False
    fields: dict[str, Any] = event["fields"]
    place, get = (event["writer"], event["epoch"], event["seq"]), fields.get
    named = (_text(get("request")), _text(get("subject")), _text(get("name")), _text(get("system")))
    events.append((*place, event["at"], event["type"], *named, payload))
    for namespace, value in get("patients", ()):
        patients.append((namespace, value, *place))
    if (name := ABOUT.get(event["type"])) and (value := _text(get(name))):
        about.append((event["type"], value, event["at"], *place))
    return True


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def newest_copied(data_dir: Path, writer: str) -> int:
    """The highest sequence of a writer that the copy holds; 0 where there is no copy to ask."""
    path = data_dir / NAME
    if not path.is_file():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as copy:
            row = copy.execute("SELECT max(seq) FROM event WHERE writer = ?", (writer,)).fetchone()
    except sqlite3.Error:
        return 0
    return int(row[0] or 0)
