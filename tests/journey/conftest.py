"""Fixtures for the files that ask one running gateway about many cases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ward import Ward, ward


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ward(tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def here(shared: Ward) -> Ward:
    shared.calm()
    return shared
