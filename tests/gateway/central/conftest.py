"""A central journal for each test, on the server that all tests of a process share."""

from __future__ import annotations

import pytest

from tests.counterparts.postgres import PostgresServer

from .places import CentralPlace, new_place


@pytest.fixture
def place(postgres: PostgresServer) -> CentralPlace:
    return new_place(postgres)
