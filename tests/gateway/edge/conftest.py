"""One server for the tests of this folder that only ask it something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.edge import raw


@pytest.fixture(scope="session")
def listening_once() -> Iterator[raw.Listening]:
    with raw.listening() as running:
        yield running


@pytest.fixture
def gate(listening_once: raw.Listening) -> raw.Listening:
    listening_once.seen.clear()
    listening_once.rejected.clear()
    return listening_once
