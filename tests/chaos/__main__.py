"""The table of faults, in the long form: `python -m tests.chaos [--fault F09]… [--short] [--times N] [--seconds N] [--rate N] [--page]`.

Says how far each one is, prints a row for each, and writes benchmarks/chaos.json. 1 where a promise was not kept. `--page` writes the
table of docs/faults.md anew instead.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from . import progress
from . import row as rows
from .page import keep, write
from .row import Dose, Outcome, Row
from .rows.all import ROWS

_HEADS = ("fault", "requests", "failed", "shifts lost", "unaudited", "what the clinician saw", "promise")


def main() -> int:
    options = argparse.ArgumentParser(prog="make chaos")
    options.add_argument("--fault", action="append", default=[], help="only this one, e.g. F09; may be repeated")
    options.add_argument("--short", action="store_true", help="as `make test` does it")
    options.add_argument("--times", type=int, help="how often it strikes, instead of what the row says")
    options.add_argument("--seconds", type=float, help="between strikes or in all, likewise")
    options.add_argument("--events", type=int, help="in the journal before, likewise")
    options.add_argument("--rate", type=float, help="requests a second, likewise")
    options.add_argument("--page", action="store_true", help="write the table of docs/faults.md anew")
    given = options.parse_args()
    if given.page:
        write(ROWS)
        return 0
    rows.SLACK = rows.SLACK if given.short else 1.0
    progress.told = not given.short
    changed = {
        name: value for name in ("times", "seconds", "rate", "events") if (value := getattr(given, name)) is not None
    }
    chosen = [row for row in ROWS if (not given.fault or row.id in given.fault) and (row.short or not given.short)]
    doses = {row.id: replace(row.short if given.short and row.short else row.long, **changed) for row in chosen}
    outcomes = {}
    for row in chosen:
        outcomes[row.id] = _run(row, doses[row.id])
        if not given.short:
            keep(outcomes, doses)
    Console(width=180).print(_shown(chosen, outcomes))
    for id_, outcome in outcomes.items():
        for sentence in outcome.broken:
            print(f"{id_}: {sentence}")
    return 0 if chosen and all(outcome.kept for outcome in outcomes.values()) else 1


def _run(row: Row, dose: Dose) -> Outcome:
    begun = time.monotonic()
    print(
        f"· {row.id} {row.fault}: {dose.times} times, {dose.rate:g}/s, {dose.seconds:g} s", file=sys.stderr, flush=True
    )
    with tempfile.TemporaryDirectory(prefix=f"{row.id}-") as folder:
        try:
            outcome = row.run(Path(folder), dose)
        except (Exception, pytest.skip.Exception):
            outcome = Outcome(broken=[f"it could not be done: {traceback.format_exc()[-2000:]}"])
    outcome.figures["seconds in all"] = round(time.monotonic() - begun, 1)
    print(f"· {row.id} {'kept' if outcome.kept else 'NOT KEPT'}: {outcome.figures}", file=sys.stderr, flush=True)
    return outcome


def _shown(rows: list[Row], outcomes: dict[str, Outcome]) -> Table:
    shown = Table(*_HEADS)
    for row in rows:
        one = outcomes[row.id]
        saw = ", ".join(f"{times} × {what}" for what, times in one.seen.most_common())
        counts = [str(n) for n in (one.requests, one.failed, one.shifts_lost, one.unaudited)]
        shown.add_row(f"{row.id} {row.fault}", *counts, saw, "kept" if one.kept else "NOT KEPT")
    return shown


if __name__ == "__main__":
    sys.exit(main())
