"""`lanyard database`: where the PostgreSQL database stands, and bringing it forwards, or back before an earlier release is started."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from sso.errors import StoreUnavailable

from . import config as configuration
from .config import Config
from .errors import ConfigError
from .stores.connections import engine_of, what_was_said, within
from .stores.migrating import migrate, standing, usable
from .stores.opening import database_of

T = TypeVar("T")

_LASTS = 3600.0  # seconds for a migration


def database_status(given: argparse.Namespace) -> int:
    """Exit 1 where they differ."""
    found = _with_database(given, standing)
    print(f"database: {found.revision or 'empty'}; this release: {found.latest}")
    if found.lends_itself:
        print("the database is of the release after this one, which may go on with it: to be upgraded, or brought back")
    return 0 if found.revision == found.latest else 1


def database_migrate(given: argparse.Namespace) -> int:
    before, now = _with_database(given, lambda c: migrate(c, given.to or standing(c).latest))
    print(f"database: {now}, as it was" if before == now else f"database: {now}, was {before or 'empty'}")
    return 0


def _with_database(given: argparse.Namespace, work: Callable[[Connection], T]) -> T:
    config = configuration.load(given.config)
    if config.gateway.database_url is None:
        raise ConfigError(["gateway.database_url: names no database: the embedded store needs no migration of yours"])
    return _asked(config, work)


def database_problems(config: Config, *, live: bool) -> list[str]:
    """For `lanyard check`; with `live`, the database is asked."""
    if config.gateway.database_url is None:
        return []
    try:
        database_of(config)
        if live:
            _asked(config, usable)
    except ConfigError as error:
        return list(error.problems)
    except StoreUnavailable as error:
        return [f"gateway.database_url: {error}"]
    return []


def _asked(config: Config, work: Callable[[Connection], T]) -> T:
    place, password = database_of(config)
    engine = engine_of(place, password, lasts=_LASTS, most=1)
    try:
        with within(_LASTS), engine.connect() as c:
            return work(c)
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database {place}: {what_was_said(error)}") from None
    finally:
        engine.dispose()
