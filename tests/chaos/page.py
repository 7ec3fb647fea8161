"""The lists of docs/faults.md, from the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .row import Dose, Outcome, Row

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "chaos.json"
SEEN = (
    "| | Done | Requests | Failed | Shifts lost | Unaudited | What clinicians saw | Figures | Took |",
    "|---|---|---|---|---|---|---|---|---|",
)
HEAD = ("| | Fault | Promise | What a clinician sees |", "|---|---|---|---|")


def table(rows: Iterable[Row]) -> str:
    """One line a row, in Markdown."""
    return "\n".join([*HEAD, *(f"| {row.id} | {row.fault} | {row.promise} | {row.seen} |" for row in rows)])


def red(rows: Iterable[Row]) -> str:
    """How each row is known to be able to fail."""
    return "\n".join(f"- {row.id}: {row.red}." for row in rows)


def keep(outcomes: Mapping[str, Outcome], doses: Mapping[str, Dose]) -> None:
    """What came of a run's long forms, until the page is written."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found |= {id_: vars(one) | {"dose": asdict(doses[id_])} for id_, one in outcomes.items()}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def seen(found: Mapping[str, Any]) -> str:
    """One line for each row that was run, in Markdown."""
    return "\n".join([*SEEN, *(_line(id_, found[id_]) for id_ in sorted(found))])


def _line(id_: str, one: dict[str, Any]) -> str:
    dose, figures = one["dose"], dict(one["figures"])
    done = f"{dose['times']:,} ×, {dose['rate']:g}/s, {dose['seconds']:g} s"
    took = f"{figures.pop('seconds in all') / 60:.1f} min"
    counts = " | ".join(f"{one[name]:,}" for name in ("requests", "failed", "shifts_lost", "unaudited"))
    saw = ", ".join(
        f"{times:,} × {what}" for what, times in sorted(one["seen"].items(), key=lambda pair: -pair[1]) if times
    )
    told = "; ".join(
        [
            *(f"{name}: {value:,}" for name, value in figures.items()),
            *(f"**not kept: {words}**" for words in one["broken"]),
        ]
    )
    return f"| {id_} | {done} | {counts} | {saw} | {told} | {took} |"


def write(rows: Iterable[Row]) -> None:
    """Put the lists into the page, where they stand, and what was seen where there is a run's result."""
    text, listed = PAGE.read_text("utf-8"), list(rows)
    lists = [(r"\| \| Fault.*", table(listed)), (r"- [FK]\d\d.*", red(listed))]
    if RESULTS.exists():
        lists.append((r"\| \| Done.*", seen(json.loads(RESULTS.read_text()))))
    for begins, now in lists:
        text = re.sub(rf"^{begins}(?:\n(?:\||- [FK]).*)*", lambda _, now=now: now, text, count=1, flags=re.MULTILINE)
    PAGE.write_text(text, "utf-8")
