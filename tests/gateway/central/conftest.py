"""A central journal for each test, on the server that all tests of a process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.counterparts.postgres import PostgresServer, postgres_server

from .places import CentralPlace, new_place


@pytest.fixture
def place(postgres: PostgresServer) -> CentralPlace:
    return new_place(postgres)


@pytest.fixture
def own_place() -> Iterator[CentralPlace]:
    """On a server of its own, which the test may kill: what it has committed is there afterwards."""
    with postgres_server(durable=True) as server:
        yield new_place(server)
