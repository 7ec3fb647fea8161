"""The short form of the rows where gateways are killed, stopped and raced: the fault is done to them, and the promise holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from .rows.all import PROCESSES

SHORT = {row.id: row for row in PROCESSES if row.short}
pytestmark = [pytest.mark.counterpart, pytest.mark.slow]


@pytest.mark.parametrize("fault", SHORT)
def test_the_promise_is_kept(fault: str, tmp_path: Path) -> None:
    """What docs/faults.md promises for this fault is what happens."""
    assert SHORT[fault].broken_in_short(tmp_path) == []
