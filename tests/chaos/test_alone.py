"""The short form of the rows of one gateway: the fault is done to running gateways, and the promise holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from .rows.all import ALONE

SHORT = {row.id: row for row in ALONE if row.short}
pytestmark = [pytest.mark.counterpart, pytest.mark.slow]


@pytest.mark.parametrize("fault", SHORT)
def test_the_promise_is_kept(fault: str, tmp_path: Path) -> None:
    """What docs/faults.md promises for this fault is what happens."""
    assert SHORT[fault].broken_in_short(tmp_path) == []
