"""Gateways with a control taken out: the row that shows the control turns red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .rows.all import ROWS

SHORT = {row.id: row for row in ROWS if row.short}
RED = [("F02", "early"), ("F03", "unsynced"), ("F05", "deaf"), ("F11", "forgetful"), ("F20", "open-handed"), ("F22", "rivals"),
       ("F27", "greedy"), ("F28", "abrupt")]  # fmt: skip


@pytest.mark.counterpart
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "build"), RED)
def test_a_build_that_is_known_to_be_bad_turns_its_row_red(fault: str, build: str, tmp_path: Path) -> None:
    """With a control taken out, the same row says what was not kept."""
    row = SHORT[fault]
    assert row.short is not None
    assert row.run(tmp_path, replace(row.short, build=build)).broken != []
