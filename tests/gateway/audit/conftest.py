"""The two copies of a journal that questions are put to: each test that takes `copy` runs on both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.audit.asked import Copy
from gateway.audit.looking import local_copy
from gateway.central.copy import CentralCopy

from ..central.places import new_place


@pytest.fixture(params=["sqlite", "postgresql"])
def copy(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Copy]:
    """Of the journal that the test's `data_dir` has made."""
    if request.param == "sqlite":
        with local_copy(data_dir) as opened:
            yield opened
        return
    place = new_place(request.getfixturevalue("postgres"))
    with place.shipping(data_dir):
        pass  # it sends everything before it stops
    with contextlib.closing(CentralCopy(place.central)) as there:
        yield there
