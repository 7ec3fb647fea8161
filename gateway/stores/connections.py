"""Connections to PostgreSQL that give an answer or an error in time, whatever the server, its machine or the network does."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from math import inf
from typing import Any

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ..primary import Primary
from ..store_places import DatabasePlace

_CONNECTING = 2.0  # seconds; libpq knows no shorter time
_MARGIN = 0.1  # seconds that the server's own time-out comes before ours


_due = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread asks of a server is to be done in this time."""
    before = _until()
    _due.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _due.until = before


def _until() -> float:
    return getattr(_due, "until", inf)


class TimelyConnection(psycopg.Connection[Any]):
    """Waits for the server as long as this thread may, and no longer; then it is closed, since nobody knows what it is about."""

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        left = max(_until() - time.monotonic(), 0.001)  # what needs no answer is done in no time
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.OperationalError:
            if time.monotonic() >= _until():
                self.close()
            raise


def engine_of(place: DatabasePlace, password: str, *, lasts: float, most: int) -> Engine:
    """`lasts`: seconds for a statement, unless `allow` says otherwise; `most`: connections at once. Connects when it is first asked."""
    settings = {
        "statement_timeout": int((lasts - _MARGIN) * 1000),
        "idle_in_transaction_session_timeout": 10_000,
        "timezone": "UTC",
    }
    wanted: dict[str, Any] = {
        "user": place.user,
        "password": password,
        "dbname": place.database,
        "sslmode": place.tls or "prefer",
        "connect_timeout": int(_CONNECTING),
        "tcp_user_timeout": 3000,
        "keepalives_idle": 5,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "target_session_attrs": "read-write",  # not one that was a primary before a fail-over
        "application_name": "lanyard",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    if place.ca_file:
        wanted["sslrootcert"] = place.ca_file
    primary = Primary(place.hosts)

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: primary.connected(lambda host, port: TimelyConnection.connect(host=host, port=port, **wanted)),
        poolclass=QueuePool,
        pool_size=most,
        max_overflow=0,
        pool_timeout=lasts,
        hide_parameters=True,
        use_native_hstore=False,
    )


def allow(c: Connection, seconds: float) -> None:
    """More time than usual for the statements of this transaction."""
    c.exec_driver_sql(f"SET LOCAL statement_timeout = {int((seconds - _MARGIN) * 1000)}")


def what_was_said(error: SQLAlchemyError) -> str:
    """By the server or about it, while nothing of ours was asked; there is no password in it."""
    said = str(getattr(error, "orig", "")).strip().splitlines()
    return said[-1].strip() if said else type(error).__name__
