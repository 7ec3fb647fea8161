"""An installation's folder and its store, for the gateway and for the commands that work beside it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from .config import Config
from .errors import ConfigError
from .keys import seal_of
from .stores.base import Store
from .stores.opening import STORE, open_store

__all__ = ["STORE", "data_dir_of", "opened_store"]


def data_dir_of(config: Config) -> Path:
    """Made where it is not there yet: a command may come before the first start. Raises ConfigError."""
    path = Path(config.gateway.data_dir)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError([f"gateway.data_dir: `{path}` cannot be made: {error.strerror}"]) from None
    return path


@contextlib.asynccontextmanager
async def opened_store(config: Config) -> AsyncIterator[Store]:
    """For a command; closed after it."""
    data_dir_of(config)
    store = open_store(config, seal_of(config), beside=True)
    try:
        yield store
    finally:
        await store.close()
