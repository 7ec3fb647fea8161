"""Two rows of the faults' table as figures: gateways restarted one after the other, and clients that leave before their answer.

The rows themselves are tests/chaos/'s, with its control: a client that is known to be bad must be seen to be.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.chaos.row import Dose, Outcome, Row
from tests.chaos.rows.leaving import F12
from tests.chaos.rows.processes import F28

CANCELLED = int(os.environ.get("BENCH_CANCELLED", "2000"))
_RATE = 100.0  # requests a second of those who stay


def rolling(folder: Path, to: int) -> dict[str, float]:
    """SIGTERM and a start, one gateway after the other behind nginx, while others work. `to`: not needed: it has its own."""
    outcome = _done(F28, folder, Dose(times=2, rate=_RATE, seconds=1))
    return {"rolling.requests": outcome.requests, "rolling.failures": outcome.failed}


def bleed(folder: Path, to: int) -> dict[str, float]:
    """Through Redis, PostgreSQL and the gateway, until so many have gone away. `to`: as in `rolling`."""
    outcome = _done(F12, folder, Dose(times=CANCELLED, rate=_RATE, clinicians=20))
    return {
        "bleed.cancelled": outcome.figures["went away"],
        "bleed.wrong": outcome.wrong,
        "bleed.wrong_of_a_bad_client": outcome.figures["wrong answers at a client that is known to be bad"],
    }


def _done(row: Row, folder: Path, dose: Dose) -> Outcome:
    """What did not hold of its promise is said."""
    outcome = row.run(folder, dose)
    for sentence in outcome.broken:
        print(f"· {row.id}: {sentence}", flush=True)
    return outcome
