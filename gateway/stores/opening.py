"""Which store a configuration means: a file of this machine, or servers that several machines share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from sso.errors import StoreUnavailable
from sso.seal import Seal

from ..config import Config, SecretRef
from ..errors import ConfigError
from ..keys import secret
from ..store_places import DatabasePlace, database_place, redis_place
from .base import Store
from .postgres import PostgresStore
from .redis import memory
from .redis.connection import Server
from .redis.store import RedisStore
from .replicated import ReplicatedStore
from .sqlite import SqliteStore

STORE = "sessions.db"


def open_store(
    config: Config, seal: Seal, alarm: Callable[[str, str], None] = lambda *_: None, *, beside: bool = False
) -> Store:
    """`alarm`: as the stores say. `beside`: other processes may write there too: for a command, or for one of several workers.

    Raises ConfigError, StoreUnavailable.
    """
    if config.gateway.redis_url is not None:
        return open_replicated(config, seal, alarm)
    if config.gateway.database_url is not None:
        return open_database(config, seal, alarm)
    place = Path(config.gateway.data_dir) / STORE
    return SqliteStore(place, seal, shared=beside or config.gateway.workers > 1, alarm=alarm)


def open_replicated(config: Config, seal: Seal, alarm: Callable[[str, str], None] = lambda *_: None) -> ReplicatedStore:
    """Redis, with the database behind it, whose failing is the control `shift-copy`."""
    server = open_redis(config, alarm)
    lasting = open_database(config, seal, lambda _, state: alarm("shift-copy", state))
    return ReplicatedStore(RedisStore(server, seal), lasting, alarm=alarm)


def open_redis(config: Config, alarm: Callable[[str, str], None] = lambda *_: None) -> Server:
    gateway = config.gateway
    assert gateway.redis_url is not None
    return Server(
        redis_place(gateway.redis_url),
        password=_known("redis_password", gateway.redis_password),
        sentinel_password=_known("sentinel_password", gateway.sentinel_password),
        ca_file=gateway.redis_ca_file,
        alarm=alarm,
    )


async def redis_problems(config: Config, *, live: bool) -> list[str]:
    """What would keep Redis from being used; with `live`, it is asked."""
    ca_file = config.gateway.redis_ca_file
    try:
        if ca_file is not None:
            ssl.create_default_context(cafile=ca_file)
        server = open_redis(config)
    except OSError as error:
        return [f"gateway.redis_ca_file: `{ca_file}` cannot be read: {error.strerror or error}"]
    except ConfigError as error:
        return error.problems
    try:
        return memory.problems(await server.info()) if live else []
    except StoreUnavailable as error:
        return [f"gateway.redis_url: {error}"]
    finally:
        await server.close()


def _known(name: str, kept: SecretRef | None) -> str:
    return secret(f"gateway.{name}", kept).decode().strip() if kept is not None else ""


def open_database(config: Config, seal: Seal, alarm: Callable[[str, str], None] = lambda *_: None) -> PostgresStore:
    return PostgresStore(*database_of(config), seal, alarm=alarm)


def database_of(config: Config) -> tuple[DatabasePlace, str]:
    """Where it is, and its password. Raises ConfigError."""
    gateway = config.gateway
    assert gateway.database_url is not None
    return database_place(gateway.database_url), _known("database_password", gateway.database_password)
