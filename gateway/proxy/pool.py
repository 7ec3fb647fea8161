"""The connections to one origin: which are idle, which are busy, and how a new one is made.

The address is checked when it is connected to, not when it was configured: a name that leads somewhere else later gets no
connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import deque
from typing import TYPE_CHECKING

from connectors.errors import SystemUnavailable

from ..errors import UpstreamUnavailable
from ..outbox import Outbox
from .addresses import allowed
from .connection import Connection

if TYPE_CHECKING:
    from .origin import Origin

_IDLE_LIFE = 25.0  # seconds; below what servers usually allow
_FRESH_FOR_WRITES = 1.0  # a write takes a connection that was used this recently, or a new one
_MOST_IDLE = 128


class Pool:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._connecting = 0
        self._outbox = Outbox(self._loop)
        self._resolving: asyncio.Task[list[str]] | None = None

    def take(self, *, repeatable: bool) -> Connection | None:
        """A kept connection, the last used first; what may not be repeated gets only a fresh one."""
        idle = self._idle
        life = _IDLE_LIFE if repeatable else _FRESH_FOR_WRITES
        oldest = self._loop.time() - life
        while idle and idle[-1].idle_since > oldest:
            connection = idle.pop()
            if connection.silent():
                self._busy.add(connection)
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises UpstreamUnavailable (`sent=False`), SystemUnavailable when there are too many."""
        origin = self._origin
        if len(self._busy) + self._connecting >= origin.connections:
            raise SystemUnavailable("the system is busy: as many connections as it is allowed are in use")
        self._connecting += 1
        try:
            async with asyncio.timeout(origin.connect_timeout):
                connection = await self._first(await self._addresses())
        except TimeoutError:
            raise UpstreamUnavailable("the system did not take the connection in time", sent=False) from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason
            raise UpstreamUnavailable(f"the system's certificate was not accepted: {reason}", sent=False) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UpstreamUnavailable(f"the system refused the connection: {reason}", sent=False) from None
        finally:
            self._connecting -= 1
        self._busy.add(connection)
        return connection

    async def _first(self, addresses: list[str]) -> Connection:
        """The first address that takes a connection; the last one's error when none does."""
        for address in addresses[:-1]:
            try:
                return await self._to(address)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await self._to(addresses[-1])

    async def _to(self, address: str) -> Connection:
        origin = self._origin
        connection = Connection(self, origin.read_timeout, self._outbox)
        try:
            await self._loop.create_connection(
                lambda: connection,
                address,
                origin.port,
                ssl=origin.tls,
                server_hostname=(origin.sni or origin.host) if origin.tls else None,
            )
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _addresses(self) -> list[str]:
        found = [self._origin.host] if _literal(self._origin.host) else await self._resolved()
        usable = [address for address in found if allowed(address, self._origin.networks)]
        if not usable:
            raise UpstreamUnavailable("the system's name leads to an address outside its `networks`", sent=False)
        return usable

    async def _resolved(self) -> list[str]:
        """One look-up at a time: a resolver that hangs for one system must not take every thread from the others."""
        if self._resolving is None:
            self._resolving = self._loop.create_task(self._resolve())
            self._resolving.add_done_callback(self._looked_up)
        return await asyncio.shield(self._resolving)

    async def _resolve(self) -> list[str]:
        found = await self._loop.getaddrinfo(self._origin.host, self._origin.port, type=1)
        return list(dict.fromkeys(str(place[0]) for *_, place in found))

    def _looked_up(self, task: asyncio.Task[list[str]]) -> None:
        self._resolving = None
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody may be waiting any more

    # Owner of connections

    def give_back(self, connection: Connection) -> None:
        self._busy.discard(connection)
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if len(self._idle) > _MOST_IDLE:
            self._idle.popleft().abort()

    def gone(self, connection: Connection) -> None:
        self._busy.discard(connection)

    def sweep(self, now: float) -> None:
        for connection in [c for c in self._busy if 0 < c.deadline < now]:
            connection.overdue()
        while self._idle and (not self._idle[0].silent() or now - self._idle[0].idle_since > _IDLE_LIFE):
            self._idle.popleft().abort()

    def close(self) -> None:
        if self._resolving is not None:
            self._resolving.cancel()
        for connection in [*self._busy, *self._idle]:
            connection.abort()
        self._idle.clear()


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
