"""The central journal, asked like the copy on this machine; and up to when each writer has arrived in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audit.asked import POSTGRES, Copy
from ..audit.looking import local_copy
from ..errors import SearchUnavailable
from .connection import Central, CentralUnavailable, closed, within

_ANSWERS_WITHIN = 30.0  # seconds: a question over years
_AGO = 10.0  # seconds since a writer that is at work last told how far it is
_ARRIVALS = """
SELECT w.writer, w.seq, w.at, extract(epoch FROM now() - w.told)::float8, coalesce(e.seq, 0), coalesce(e.at, 0)
FROM writer w LEFT JOIN LATERAL
  (SELECT seq, at FROM event WHERE event.writer = w.writer ORDER BY epoch DESC, seq DESC LIMIT 1) e ON true
WHERE w.epoch > 0 ORDER BY w.writer
"""


class CentralCopy:
    """A connection to ask by. Raises SearchUnavailable, also each question."""

    words = POSTGRES

    def __init__(self, central: Central) -> None:
        try:
            self._connection = central.connect(_ANSWERS_WITHIN)
        except CentralUnavailable as error:
            raise _not_asked(error) from None

    def execute(self, asked: str, values: Any = (), /) -> Any:
        try:
            with within(_ANSWERS_WITHIN + 1, self._connection):
                return self._connection.execute(asked.replace("?", "%s").encode(), values)
        except CentralUnavailable as error:
            raise _not_asked(error) from None

    def close(self) -> None:
        closed(self._connection)


def _not_asked(error: CentralUnavailable) -> SearchUnavailable:
    return SearchUnavailable(
        f"the central journal could not be asked: {error}: this says nothing of what it holds; try again when "
        "`gateway.database_url` answers"
    )


@contextlib.contextmanager
def asked_copy(data_dir: Path, central: Central | None) -> Iterator[Copy]:
    """The central journal where there is one, else this machine's copy, brought up to its journal.

    Raises SearchUnavailable, sqlite3.Error, OSError.
    """
    if central is None:
        with local_copy(data_dir) as copy:
            yield copy
        return
    with contextlib.closing(CentralCopy(central)) as there:
        yield there


@dataclass(frozen=True, slots=True)
class Arrival:
    """One writer: everything until then is there, and how many later events it has told of that are not."""

    writer: str
    until: float  # seconds since the epoch, by the writer's clock
    missing: int
    silent: float  # seconds since it last told

    @property
    def at_work(self) -> bool:
        """It tells how far it is, and all of that is there."""
        return not self.missing and self.silent < _AGO


def arrivals(copy: Copy) -> list[Arrival]:
    """Every writer, by name; none for a copy on this machine, which is brought up before it is asked."""
    if not isinstance(copy, CentralCopy):
        return []
    rows = copy.execute(_ARRIVALS).fetchall()
    return [
        Arrival(writer, at if there >= told else newest, max(0, told - there), silent)
        for writer, told, at, silent, there, newest in rows
    ]


def limits(found: list[Arrival], instant: Any) -> list[str]:
    """What an answer does not reach, a line each; `instant` writes a time."""
    working = [one for one in found if one.at_work]
    lines = [f"up to {instant(min(one.until for one in working))}, of {_writers(len(working))}"] if working else []
    for one in found:
        if one.missing:
            lines.append(f"`{one.writer}`: up to {instant(one.until)}; {one.missing:,} later events have not arrived")
        elif not one.at_work:
            lines.append(f"`{one.writer}`: up to {instant(one.until)}, when it was last heard of")
    return lines


def reach(found: list[Arrival], instant: Any) -> list[str]:
    """The same for a page, a sentence each."""
    behind = [one for one in found if one.missing]
    silent = [one for one in found if not one.missing and not one.at_work]
    lines = []
    if working := [one.until for one in found if one.at_work]:
        all_of_them = "all other" if behind or silent else "all"
        lines.append(f"This is what {all_of_them} gateways wrote up to {instant(min(working))}.")
    lines += [
        f"“{one.writer}” is behind: {f'what it wrote after {instant(one.until)}' if one.until else 'what it wrote'} "
        f"is not here yet ({one.missing:,} events)."
        for one in behind
    ]
    return lines + [
        f"“{one.writer}” was last heard of at {instant(one.until)}: what it may have written since is not here."
        for one in silent
    ]


def _writers(number: int) -> str:
    return "one writer" if number == 1 else f"{number} writers"
