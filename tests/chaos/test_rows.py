"""The short form of each row: the fault is done to a running hospital, and the promise holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .page import PAGE, red, table
from .rows.all import ROWS

SHORT = {row.id: row for row in ROWS if row.short}

# Builds that are known to be bad, and the row that each turns red.
RED = [("F02", "early"), ("F03", "unsynced"), ("F05", "deaf"), ("F11", "forgetful"), ("F20", "open-handed"), ("F22", "rivals"),
       ("F27", "greedy"), ("F28", "abrupt")]  # fmt: skip


@pytest.mark.counterpart
@pytest.mark.slow
@pytest.mark.parametrize("fault", SHORT)
def test_the_promise_is_kept(fault: str, tmp_path: Path) -> None:
    """What docs/faults.md promises for this fault is what happens."""
    row = SHORT[fault]
    assert row.short is not None
    assert row.run(tmp_path, row.short).broken == []


@pytest.mark.counterpart
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "build"), RED)
def test_a_build_that_is_known_to_be_bad_turns_its_row_red(fault: str, build: str, tmp_path: Path) -> None:
    """With a control taken out, the same row says what was not kept."""
    row = SHORT[fault]
    assert row.short is not None
    assert row.run(tmp_path, replace(row.short, build=build)).broken != []


def test_the_page_of_faults_is_the_table_of_rows() -> None:
    """docs/faults.md holds each row's promise word by word: `python -m tests.chaos --page` writes it."""
    page = PAGE.read_text("utf-8")
    assert table(ROWS) in page
    assert red(ROWS) in page
