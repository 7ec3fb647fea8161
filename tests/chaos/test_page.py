"""docs/faults.md and the rows are one list."""

from __future__ import annotations

from .page import PAGE, red, table
from .rows.all import ROWS

# Of the issue; F28 is the rolling restart too, and K01 to K04 are what is killed, stopped and full beside them.
FAULTS = [f"F{number:02}" for number in (*range(1, 14), *range(20, 24), *range(25, 29))]
KILLS = ["K01", "K02", "K03", "K04"]


def test_the_page_of_faults_is_the_table_of_rows() -> None:
    """docs/faults.md holds each row's promise word by word: `python -m tests.chaos --page` writes it."""
    page = PAGE.read_text("utf-8")
    assert table(ROWS) in page
    assert red(ROWS) in page


def test_every_fault_has_its_row() -> None:
    """None is left out, and none is there twice."""
    assert [row.id for row in ROWS] == FAULTS + KILLS
