"""What the journeys share: one running gateway for many cases of a file, and one browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .old_ward import OldWard, old_ward
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


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldWard]:
    with old_ward(tmp_path_factory.mktemp("old-ward")) as running:
        yield running
