"""Which of several PostgreSQL servers is the primary: the one that takes what is written, and has been promoted last.

A server that was the primary before a promotion and is switched on again takes writes too, and knows nothing of what happened since. Each
promotion begins a new timeline, so the highest one is believed: whoever begins asks all of them, and nobody goes back to a lower one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

C = TypeVar("C", bound="psycopg.Connection[Any]")

_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"


class Primary:
    """Remembers who was it. Asked from any thread."""

    def __init__(self, hosts: tuple[tuple[str, int], ...]) -> None:
        self._hosts = hosts
        self._first = 0  # who is asked first
        self._timeline = 0  # 0: nobody was it yet
        self._lock = threading.Lock()

    def connected(self, connect: Callable[[str, int], C]) -> C:
        """A connection to it by `connect(host, port)`, which takes nobody who is read-only. Raises psycopg.OperationalError."""
        if len(self._hosts) == 1:
            return connect(*self._hosts[0])
        found: tuple[int, int, C] | None = None
        refused = psycopg.OperationalError("none of the servers takes what is written")
        begun = self._first
        for at in ((begun + n) % len(self._hosts) for n in range(len(self._hosts))):
            try:
                c = connect(*self._hosts[at])
                timeline = _timeline(c)
            except psycopg.OperationalError as error:
                refused = error
                self._not_first(at)
                continue
            if timeline < max(self._timeline, found[0] if found else 0):
                c.close()
                refused = psycopg.OperationalError(
                    "a server that was the primary before a promotion is not to be believed"
                )
                self._not_first(at)
                continue
            if found:
                found[2].close()
            found = timeline, at, c
            if self._timeline:
                break
        return self._settled(found) if found else _raised(refused)

    def _settled(self, found: tuple[int, int, C]) -> C:
        timeline, at, c = found
        with self._lock:
            self._timeline, self._first = max(timeline, self._timeline), at
        return c

    def _not_first(self, at: int) -> None:
        """Whoever asks next has all its time for another one."""
        with self._lock:
            if self._first == at:
                self._first = (at + 1) % len(self._hosts)


def _timeline(c: psycopg.Connection[Any]) -> int:
    try:
        row = c.execute(_TIMELINE).fetchone()
        c.rollback()
    except psycopg.Error:
        c.close()
        raise
    assert row is not None
    return int(row[0])


def _raised(error: psycopg.OperationalError) -> Any:
    raise error
