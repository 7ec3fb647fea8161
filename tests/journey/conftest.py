"""What the journeys share: one running gateway for many cases of a file, and one browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .old_ward import OldWard, choose_pin, desk, old_ward, sign_on
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
def old(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[OldWard]:
    """The nurse has a PIN."""
    with old_ward(tmp_path_factory.mktemp("old-ward")) as running:
        window = desk(running, chromium)
        page = window.new_page()
        sign_on(running, page)
        choose_pin(running, page)
        window.close()
        yield running
