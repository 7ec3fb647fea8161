"""Which accesses were made on a device, and what became of it: questions to the searchable copy that name devices by their ids.

An access carries its session, and a session's first event the device that it was seated on.
"""

from __future__ import annotations

import sqlite3

import orjson

from .copying import DEVICE, OF_DEVICE, OPENED, SEATED, SESSION
from .search import Found, Place, found

_COLUMNS = "writer, epoch, seq, at, type, payload"
_NEWEST = "ORDER BY at DESC, writer DESC, epoch DESC, seq DESC LIMIT ?"
_SESSIONS = f"SELECT {SESSION} FROM event WHERE {SEATED} AND {DEVICE} IN (SELECT value FROM json_each(?))"  # noqa: S608 - fixed words only


def opened_on(
    copy: sqlite3.Connection, devices: list[str], *, since: float, limit: int, behind: Place | None = None
) -> list[Found]:
    """Permitted accesses on these devices, newest first. `since`: seconds since the epoch; `behind`: the last place of the page
    before. The caller journals that it was asked. Raises sqlite3.Error."""
    further = "AND (at, writer, epoch, seq) < (?, ?, ?, ?)" if behind else ""
    return found(
        copy.execute(
            f"SELECT {_COLUMNS} FROM event WHERE {OPENED} AND {SESSION} IN ({_SESSIONS}) AND at >= ? {further} {_NEWEST}",  # noqa: S608 - fixed words only
            (_list(devices), since, *(behind or ()), limit),
        )
    )


def patients_of(copy: sqlite3.Connection, opened: list[Found]) -> dict[str, list[tuple[str, str]]]:
    """By request, whoever these accesses named, in the question or in the answer: namespace and identifier, in order."""
    requests = [one.fields["request"] for one in opened if one.fields.get("request")]
    rows = copy.execute(
        "SELECT DISTINCT request, namespace, value FROM event JOIN patient USING (writer, epoch, seq)"
        " WHERE request IN (SELECT value FROM json_each(?)) ORDER BY request, namespace, value",
        (_list(requests),),
    )
    named: dict[str, list[tuple[str, str]]] = {}
    for request, namespace, value in rows:
        named.setdefault(request, []).append((namespace, value))
    return named


def became_of(copy: sqlite3.Connection, devices: list[str], limit: int) -> list[Found]:
    """Enrolled, approved, changed, revoked: newest first. Raises sqlite3.Error."""
    asked = f"SELECT {_COLUMNS} FROM event WHERE {OF_DEVICE} AND {DEVICE} IN (SELECT value FROM json_each(?)) {_NEWEST}"  # noqa: S608 - fixed words only
    return found(copy.execute(asked, (_list(devices), limit)))


def _list(values: list[str]) -> str:
    return orjson.dumps(values).decode()
