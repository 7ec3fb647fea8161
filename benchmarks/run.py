"""`make bench`: the parts that are asked for, in one run over the same upstream; ratios within the run are what counts.

    python -m benchmarks.run [PART...]       PART: beside people journal storm shifts revoke rolling bleed (default: all)

1 where a part could not be done to its end.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import beside, faults, journal, people, revoke, shifts, storm
from .aims import judged
from .peers import upstream

RESULTS = Path(__file__).parent / "latest.json"
Part = Callable[[Path, int], dict[str, float]]
PARTS: dict[str, Part] = {
    "beside": beside.measure,
    "people": people.measure,
    "journal": lambda folder, to: journal.measure(RESULTS.parent),
    "storm": storm.measure,
    "shifts": shifts.measure,
    "revoke": revoke.measure,
    "rolling": faults.rolling,
    "bleed": faults.bleed,
}
console = Console()


def main(chosen: list[str]) -> int:
    if unknown := [name for name in chosen if name not in PARTS]:
        print(f"no part is called {unknown}: there are {' '.join(PARTS)}")
        return 2
    _say_where()
    figures: dict[str, float] = {}
    done = [_measured(name, figures) for name in chosen or PARTS]
    _print(figures)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() and chosen else {}
    RESULTS.write_text(json.dumps(before | figures, indent=2) + "\n")
    return 0 if all(done) else 1


def _measured(name: str, figures: dict[str, float]) -> bool:
    """In a folder of its own, so that what one leaves is in nobody's way."""
    console.print(f"· {name}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lanyard-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        try:
            with upstream(place) as to:
                figures |= PARTS[name](place, to)
        except Exception:
            console.print(traceback.format_exc(), markup=False)
            return False
    console.print(f"· {name}: {time.monotonic() - begun:.0f} s")
    return True


def _say_where() -> None:
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        f"{'' if optimised else ' (built without profile-guided optimisation, as far as it says)'}"
    )


def _print(figures: dict[str, float]) -> None:
    table = Table()
    table.add_column("figure", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("aim", no_wrap=True)
    for name, value in figures.items():
        table.add_row(name, f"{value:g}" if abs(value) < 1e5 else f"{value:,.0f}", judged(name, value))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
