"""Redis and PostgreSQL for the bench: the tests' own servers, so that what is measured is what is tested."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.counterparts import postgres, redis_servers
from tests.counterparts.postgres import PostgresServer, postgres_server
from tests.counterparts.redis_servers import RedisServer, redis_server


@dataclass(frozen=True)
class Stores:
    folder: Path
    postgres: PostgresServer
    redis: RedisServer

    def settings(self) -> dict[str, object]:
        """What belongs into `[gateway]`."""
        return {
            "database_url": self.postgres.url(), "database_password": self._secret("postgres", postgres.PASSWORD),
            "redis_url": self.redis.url, "redis_password": self._secret("redis", redis_servers.PASSWORD),
        }  # fmt: skip

    def _secret(self, name: str, value: str) -> dict[str, str]:
        path = self.folder / f"{name}.password"
        path.write_text(value)
        return {"file": str(path)}

    def redis_bytes(self) -> int:
        """All that Redis uses: for what it keeps, and to find it."""
        with contextlib.closing(self.redis.client()) as client:
            said: dict[str, Any] = client.info("memory")
        return int(said["used_memory"])


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """Empty ones; PostgreSQL syncs, as a hospital's does."""
    with postgres_server(durable=True) as database, redis_server(folder) as memory:
        yield Stores(folder, database, memory)
