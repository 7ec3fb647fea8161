"""What the journeys share: one running gateway for many cases, and one browser for a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .screen import launched
from .ward import Ward, ward


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ward(tmp_path_factory.mktemp("ward")) as running:
        yield running


@pytest.fixture
def here(shared: Ward) -> Ward:
    shared.calm()
    return shared


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser
