"""Which accesses were made on a device, and what became of it: questions to the searchable copy that name devices by their ids.

An access carries its session, and a session's first event the device that it was seated on.
"""

from __future__ import annotations

from typing import Any

import orjson

from .asked import Copy, words_of
from .copying import ABOUT
from .search import Found, Place, found

_COLUMNS = "writer, epoch, seq, event.at, type, payload"
_ALL = 1 << 31
_BECAME = [kind for kind in ABOUT if kind.startswith("device.")]


def opened_on(copy: Copy, devices: list[str], *, since: float, limit: int, behind: Place | None = None) -> list[Found]:
    """Permitted accesses on these devices, newest first. `since`: seconds since the epoch; `behind`: the last place of the page
    before. The caller journals that it was asked. Raises sqlite3.Error, SearchUnavailable."""
    seats = _about(copy, ["session.seated"], devices)
    sessions = sorted({seat.fields["session"] for seat in seats})
    return _about(copy, ["access.intent"], sessions, since=since, limit=limit, behind=behind)


def became_of(copy: Copy, devices: list[str], limit: int) -> list[Found]:
    """Enrolled, approved, changed, revoked: newest first. Raises sqlite3.Error, SearchUnavailable."""
    return _about(copy, _BECAME, devices, limit=limit)


def _about(
    copy: Copy,
    kinds: list[str],
    values: list[str],
    *,
    since: float = 0.0,
    limit: int = _ALL,
    behind: Place | None = None,
) -> list[Found]:
    among = words_of(copy).among
    further = "AND (at, writer, epoch, seq) < (?, ?, ?, ?)" if behind else ""
    places = (
        f"SELECT at, writer, epoch, seq FROM about WHERE kind {among} AND value {among} AND at >= ? {further}"  # noqa: S608 - fixed words only
        " ORDER BY at DESC, writer DESC, epoch DESC, seq DESC LIMIT ?"
    )
    asked = (_list(kinds), _list(values), since, *(behind or ()), limit)
    # First the places, which lie in the index, then the few events that are shown.
    rows = copy.execute(
        f"SELECT {_COLUMNS} FROM ({places}) AS place JOIN event USING (writer, epoch, seq)"  # noqa: S608 - fixed words only
        " ORDER BY event.at DESC, writer DESC, epoch DESC, seq DESC",
        asked,
    )
    return found(rows)


def patients_of(copy: Copy, opened: list[Found]) -> dict[str, list[tuple[str, str]]]:
    """By request, whoever these accesses named, in the question or in the answer: namespace and identifier, in order."""
    requests = [one.fields["request"] for one in opened if one.fields.get("request")]
    among = words_of(copy).among
    rows = copy.execute(f"SELECT request, payload FROM event WHERE request {among}", (_list(requests),))  # noqa: S608 - fixed words only
    named: dict[str, set[tuple[str, str]]] = {}
    for request, payload in rows:
        named.setdefault(request, set()).update((n, v) for n, v in orjson.loads(payload)["fields"].get("patients", ()))
    return {request: sorted(refs) for request, refs in named.items()}


def _list(values: list[Any]) -> str:
    return orjson.dumps(values).decode()
