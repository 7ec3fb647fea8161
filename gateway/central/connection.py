"""Connections to the database of the central journal: each answers within its time, or is cut off.

The server's own limits end a statement that waits for a lock or runs long. They are worth nothing where the server itself stands still, so
the socket is shut from this side a little later: whoever waits on it comes back with an error, and no thread is left behind.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg

from ..config import Config
from ..keys import secret
from ..primary import Primary
from ..store_places import DatabasePlace, database_place

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
_CONNECT = 2  # seconds, the least that libpq keeps to
_LOCK = 0.5


class CentralUnavailable(Exception):
    """The central journal did not answer in time, or refused. The message names no row."""


@dataclass(frozen=True, slots=True)
class Central:
    """Where the central journal is. `connect` gives a connection of one's own, each statement by itself."""

    place: DatabasePlace
    password: str = field(default="", repr=False)
    _primary: Primary = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_primary", Primary(self.place.hosts))

    def connect(self, answers_within: float) -> Connection:
        """Raises CentralUnavailable. `answers_within`: seconds that a statement may take on the server."""
        try:
            return self._primary.connected(lambda host, port: self._connect(host, port, answers_within))
        except psycopg.Error as error:
            raise CentralUnavailable(why(error)) from None

    def _connect(self, host: str, port: int, answers_within: float) -> Connection:
        return psycopg.connect(
            host=host,
            port=port,
            user=self.place.user,
            dbname=self.place.database,
            password=self.password or None,
            sslmode=self.place.tls or None,
            sslrootcert=self.place.ca_file or None,
            connect_timeout=_CONNECT,
            target_session_attrs="read-write",  # a standby takes no events
            application_name="lanyard-journal",
            options=" ".join(f"-c {name}={value}" for name, value in _limits(answers_within)),
            autocommit=True,
        )


def _limits(answers_within: float) -> Iterator[tuple[str, str]]:
    yield "search_path", "journal"
    yield "statement_timeout", str(int(answers_within * 1000))
    yield "lock_timeout", str(int(min(_LOCK, answers_within) * 1000))
    yield "idle_in_transaction_session_timeout", "10000"


def central_of(config: Config) -> Central | None:
    """None where the journal is on this machine only. Raises ConfigError."""
    table = config.gateway
    if table.database_url is None:
        return None
    given = table.database_password
    password = secret("gateway.database_password", given).decode() if given else ""
    return Central(database_place(table.database_url), password.strip())


@contextlib.contextmanager
def within(seconds: float, connection: Connection) -> Iterator[None]:
    """What is done with the connection inside comes back in time, with CentralUnavailable where the server does not answer or refuses."""
    over = threading.Timer(seconds, _shut, (connection,))
    over.daemon = True
    over.start()
    try:
        yield
    except psycopg.Error as error:
        raise CentralUnavailable(why(error)) from None
    finally:
        over.cancel()


def _shut(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as other:
        other.shutdown(socket.SHUT_RDWR)


def closed(connection: Connection | None) -> None:
    """Close it, whatever state it is in."""
    if connection is not None:
        with contextlib.suppress(psycopg.Error, OSError):
            connection.close()


def why(error: psycopg.Error) -> str:
    """What the server or the library says in one line, without the rows that PostgreSQL puts in its details."""
    said = error.diag.message_primary or str(error).partition("\n")[0]
    return f"{error.sqlstate}: {said}" if error.sqlstate else said or type(error).__name__
