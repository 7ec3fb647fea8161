"""The way to Redis: one server or whichever the sentinels name, few connections, short waits, and none where it does not answer.

Nothing is sent twice by itself: whether a script ran is not known when its answer did not come. A connection whose answer did not
come in time is closed, never used again: the next one to use it would read somebody else's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import (
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from sso.errors import StoreFull, StoreUnavailable

from ...store_places import RedisPlace
from ..circuit import Circuit
from ..own_time import own_time
from .scripts import Script
from .timely import NamedConnection, NamedTlsConnection, PlainConnection, TlsConnection

_MOST = 16  # connections at once
_AT_FIRST = 4  # of them are made before anybody waits for one
_FAILURES = 5  # in a row, before nobody waits any more
_PROBED_EVERY = 1.0  # seconds
_TAKES_NOTHING = "MISCONF", "NOREPLICAS", "MASTERDOWN"  # its disk, or its replicas, are not as it was told to have them
_MAY_NOT = ("The user executing the script can't", "ACL failure")  # what a script says of its user's rights, by release


class Server:
    """Runs scripts, and knows whose history they ran on."""

    def __init__(
        self,
        place: RedisPlace,
        *,
        password: str | None = None,
        sentinel_password: str | None = None,
        ca_file: str | None = None,
        timeout: float = 0.25,
        alarm: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """`timeout`: seconds for a connection, and for an answer. `alarm` hears `session-store`, `failing` or `ok`, from any thread."""
        self._deadline = 3 * timeout  # of all together: sentinels, connection, answer
        self._circuit = Circuit(
            self._probe,
            lambda failing: alarm("session-store", "failing" if failing else "ok"),
            in_a_row=_FAILURES,
            every=_PROBED_EVERY,
        )
        self._room = asyncio.Semaphore(_MOST)
        self._running: set[asyncio.Task[Any]] = set()
        self._client = _client(place, password, sentinel_password, ca_file, timeout, self._greet)
        self._command: Callable[..., Awaitable[Any]] = self._client.execute_command
        self.history = ""  # whose: another server, or the same one begun anew, has another one

    @property
    def away(self) -> bool:
        """Whether it did not answer lately."""
        return self._circuit.open

    async def close(self) -> None:
        await asyncio.to_thread(self._circuit.close)
        if self._running:
            await asyncio.wait(self._running, timeout=2 * self._deadline)
        await self._client.aclose()
        pool = self._client.connection_pool
        await pool.aclose()
        for asked in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
            await asked.aclose()
        await asyncio.sleep(0)  # connections that were given up are closed in the loop's next turn

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | float] = ()) -> Any:
        """What the script answers. Raises StoreFull, StoreUnavailable."""
        return await self._do(lambda: self._evaluate(script, keys, args))

    async def begin(self) -> None:
        """Make some connections. Raises StoreUnavailable."""
        await asyncio.gather(*(self.info() for _ in range(_AT_FIRST)))

    async def info(self) -> dict[str, Any]:
        """Raises StoreUnavailable."""
        found: dict[str, Any] = await self._do(lambda: self._command("INFO"))
        return found

    async def _evaluate(self, script: Script, keys: Sequence[str], args: Sequence[str | float]) -> Any:
        try:
            return await self._command("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:  # it did not run
            return await self._command("EVAL", script.text, len(keys), *keys, *args)

    async def _do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Whoever gives up waiting leaves the command to itself: its connection takes its answer, and nobody's next one."""
        if self._circuit.open:
            raise StoreUnavailable("Redis does not answer")
        self._loop = asyncio.get_running_loop()
        running = self._loop.create_task(self._in_time(work))
        self._running.add(running)
        running.add_done_callback(self._over)
        return await asyncio.shield(running)

    def _over(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # where nobody waits for it any more, it is nobody's

    async def _in_time(self, work: Callable[[], Awaitable[Any]]) -> Any:
        before = self._circuit.failures
        try:
            async with own_time(self._deadline), self._room:
                if self._circuit.failures > before:  # others found out while this one waited for room: once is enough
                    raise StoreUnavailable("Redis did not answer whoever asked it just now")
                answer = await work()
        except OutOfMemoryError:
            self._circuit.answered()
            raise StoreFull("Redis is full: give it more memory (`maxmemory`)") from None
        except (RedisError, TimeoutError, OSError) as error:
            if isinstance(error, NoPermissionError) or any(words in str(error) for words in _MAY_NOT):
                raise StoreUnavailable("the Redis user may not do what is needed: docs/redis.md says what is") from None
            if isinstance(error, ReadOnlyError) or str(error).startswith(_TAKES_NOTHING):
                self._circuit.failed()
                raise StoreUnavailable(f"Redis takes no writes: {str(error)[:80]}") from None
            if not isinstance(error, ResponseError):
                self._circuit.failed()
            raise StoreUnavailable(f"Redis did not answer: {type(error).__name__}") from None
        self._circuit.answered()
        return answer

    def _probe(self) -> None:
        """In the circuit's thread."""
        asyncio.run_coroutine_threadsafe(self._asked(), self._loop).result()

    async def _asked(self) -> None:
        async with own_time(self._deadline):
            await self._command("INFO", "server")

    async def _greet(self, connection: Connection) -> None:
        """A new connection: is it the server that takes writes, and is its history the one that we know?"""
        await connection.on_connect()
        await connection.send_command("INFO", "server", "replication", check_health=False)
        said = _fields(str(await connection.read_response()))
        if said.get("role") != "master":
            raise NotConnected("this server is a replica")
        self.history = f"{said.get('run_id', '')}.{said.get('master_replid', '')}"


def _fields(info: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.splitlines() if ":" in line)


def _client(
    place: RedisPlace,
    password: str | None,
    sentinel_password: str | None,
    ca_file: str | None,
    timeout: float,
    greet: Callable[[Connection], Any],
) -> Redis:
    waits: dict[str, Any] = {
        "limit": timeout,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
        "decode_responses": True,
    }
    tls: dict[str, Any] = {"ssl_ca_certs": ca_file, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    # A character of ours is a byte there: what is sealed is no text. User and password are what they are in UTF-8.
    user, word = (text.encode() if text else None for text in (place.user, password))
    own = {**waits, "db": place.database, "username": user, "password": word, "encoding": "latin-1"}
    own |= {"redis_connect_func": greet, "max_connections": 2 * _MOST, **(tls if place.tls else {})}
    if not place.master:
        (host, port) = place.hosts[0]
        kind = TlsConnection if place.tls else PlainConnection
        return Redis(connection_pool=ConnectionPool(connection_class=kind, host=host, port=port, **own))
    asking = {**waits, "password": sentinel_password or None, **(tls if place.tls else {})}
    named: Any = Sentinel  # neither says its types
    pool: Any = SentinelConnectionPool
    asked = named([])
    asked.sentinels = [_sentinel(host, port, place, asking) for host, port in place.hosts]
    managed = NamedTlsConnection if place.tls else NamedConnection
    return Redis(connection_pool=pool(place.master, asked, connection_class=managed, **own))


def _sentinel(host: str, port: int, place: RedisPlace, asking: dict[str, Any]) -> Redis:
    kind = TlsConnection if place.tls else PlainConnection
    return Redis.from_pool(ConnectionPool(connection_class=kind, host=host, port=port, **asking))
