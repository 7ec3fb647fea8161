"""Fixtures that several packages' tests share. Keep it small: what one package needs stands beside its tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.counterparts import provider as providers
from tests.counterparts.postgres import PostgresServer, postgres_server
from tests.counterparts.redis_servers import RedisServer, redis_server


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[Callable[..., providers.OidcProvider]]:
    """Starts the certified oidc-provider with the clients given; all of them are stopped at the end."""
    with ExitStack() as running:
        yield lambda clients, **options: running.enter_context(providers.oidc_provider(clients, **options))


@pytest.fixture(scope="session")
def lying_provider() -> Iterator[providers.LyingProvider]:
    """oauth2-mock-server, which lies on demand."""
    with providers.lying_provider() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a process: each takes a new database of it, and lets it run."""
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="session")
def redis_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests of a process: each takes a prefix or flushes it, and lets it run."""
    folder: Path = tmp_path_factory.mktemp("redis")
    with redis_server(folder) as running:
        yield running
