"""Whether Redis keeps what it is given: sessions that it evicts are gone without a word, and one that is full takes no new ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ConfigError
from .store import RedisStore

CONTROL = "redis"
_OLDEST = 7  # scripts that say what they may do when memory is used up
_FILLING = 0.8
_EVERY = 5.0  # seconds


def problems(info: Mapping[str, Any]) -> list[str]:
    """What forbids a start, of what the server says of itself."""
    found = []
    version = str(info.get("redis_version", "0"))
    if int(version.partition(".")[0]) < _OLDEST:
        found.append(f"gateway.redis_url: the server is Redis {version}: 7.0 or later is needed")
    if (policy := _policy(info)) != "noeviction":
        found.append(
            f"gateway.redis_url: the server's `maxmemory-policy` is `{policy}`: sessions would vanish without a word as soon as "
            "its memory is used up; set `maxmemory-policy noeviction`"
        )
    return found


def state(info: Mapping[str, Any]) -> str:
    """`evicts`, `full`, `filling` from 80 % on, or `ok`."""
    if _policy(info) != "noeviction":
        return "evicts"
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most or used < _FILLING * most:
        return "ok"
    return "full" if used >= most else "filling"


def _policy(info: Mapping[str, Any]) -> str:
    """A managed server may forbid CONFIG; this it says in any case."""
    return str(info.get("maxmemory_policy", "unknown"))


class Memory:
    """Looked at every five seconds; `alarm` hears `redis` with each change."""

    def __init__(self, store: RedisStore, alarm: Callable[[str, str], None]) -> None:
        self._store = store
        self._alarm = alarm
        self._said = "ok"
        self._looked = 0.0

    async def check(self) -> None:
        """Raises ConfigError, StoreUnavailable."""
        if found := problems(await self._store.info()):
            raise ConfigError(found)

    async def look(self) -> None:
        """Raises StoreUnavailable."""
        if time.monotonic() - self._looked < _EVERY:
            return
        self._looked = time.monotonic()
        found = state(await self._store.info())
        if found != self._said:
            self._said = found
            self._alarm(CONTROL, found)
