"""The lists of docs/faults.md, from the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .row import Row

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = ("| | Fault | Promise | What a clinician sees |", "|---|---|---|---|")


def table(rows: Iterable[Row]) -> str:
    """One line a row, in Markdown."""
    return "\n".join([*HEAD, *(f"| {row.id} | {row.fault} | {row.promise} | {row.seen} |" for row in rows)])


def red(rows: Iterable[Row]) -> str:
    """How each row is known to be able to fail."""
    return "\n".join(f"- {row.id}: {row.red}." for row in rows)


def write(rows: Iterable[Row]) -> None:
    """Put both into the page, where they stand."""
    text, listed = PAGE.read_text("utf-8"), list(rows)
    for begins, now in ((r"\| \|.*", table(listed)), (r"- [FK]\d\d.*", red(listed))):
        text = re.sub(rf"^{begins}(?:\n(?:\||- [FK]).*)*", lambda _, now=now: now, text, count=1, flags=re.MULTILINE)
    PAGE.write_text(text, "utf-8")
