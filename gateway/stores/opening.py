"""Which store a configuration means: a file of this machine, or servers that several machines share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sso.seal import Seal

from ..assembly import secret
from ..config import Config
from ..store_places import DatabasePlace, database_place
from .base import Store
from .postgres import PostgresStore
from .sqlite import SqliteStore

STORE = "sessions.db"


def open_store(
    config: Config, seal: Seal, alarm: Callable[[str, str], None] = lambda *_: None, *, beside: bool = False
) -> Store:
    """`alarm`: as the stores say. `beside`: by a command, while gateways may run. Raises ConfigError, StoreUnavailable."""
    if config.gateway.database_url is not None:
        return open_database(config, seal, alarm)
    place = Path(config.gateway.data_dir) / STORE
    return SqliteStore(place, seal, shared=beside or config.gateway.workers > 1, alarm=alarm)


def open_database(config: Config, seal: Seal, alarm: Callable[[str, str], None] = lambda *_: None) -> PostgresStore:
    return PostgresStore(*database_of(config), seal, alarm=alarm)


def database_of(config: Config) -> tuple[DatabasePlace, str]:
    """Where it is, and its password. Raises ConfigError."""
    gateway = config.gateway
    assert gateway.database_url is not None
    password = gateway.database_password
    known = secret("gateway.database_password", password).decode().strip() if password is not None else ""
    return database_place(gateway.database_url), known
