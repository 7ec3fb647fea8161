"""Connections to Redis, or to a sentinel, that wait for each answer as long as they may, and no longer; then they are closed.

The library's own limits count by the clock alone, and cost a task for each command: they are not used.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import TimeoutError as NoAnswer

from ..own_time import own_time


class _Timely(Connection):
    """`limit`: seconds for a connection, and for an answer."""

    def __init__(self, *, limit: float, **rest: Any) -> None:
        super().__init__(**rest)
        self._limit = limit

    async def _connect(self) -> None:
        async with own_time(self._limit):
            await super()._connect()  # type: ignore[no-untyped-call]  # the library's

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Raises NoAnswer; by then the connection is closed."""
        try:
            async with own_time(self._limit):
                return await super().read_response(*args, **options)
        except TimeoutError:
            raise NoAnswer("no answer in time") from None


class PlainConnection(_Timely):
    """To a server whose address is known."""


class TlsConnection(_Timely, SSLConnection):
    """The same over TLS."""


class NamedConnection(_Timely, SentinelManagedConnection):
    """To whichever server the sentinels name."""


class NamedTlsConnection(_Timely, SentinelManagedSSLConnection):
    """The same over TLS."""
