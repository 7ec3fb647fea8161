"""`python -m demo`, which is what `lanyard demo` runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from .browser import Wanting
from .devices import devices, link_for
from .hospital import Hospital, hospital
from .records import Records
from .walk import walk_through
from .welcome import welcome


def run(*, port: int, patients: str | None, walk: bool, json_path: str | None) -> int:
    """`lanyard demo`. 0: well; 1: the walk found something wanting; 2: cannot start."""
    console = Console()

    def say(text: str) -> None:
        console.print(f"[dim]·[/] {text}", highlight=False)

    try:
        records = Records.of_folder(Path(patients)) if patients else None
        with hospital(port, records, say=say) as place:
            if walk:
                return walk_through(place, console, Path(json_path) if json_path else None)
            with devices(place, say):
                welcome(place, link_for(place, "Ward 7 PC 4"), console)
            _wait(place)
            return 0
    except (RuntimeError, ValueError, OSError, Wanting) as error:
        print(f"lanyard: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _wait(place: Hospital) -> None:
    assert place.gateway is not None
    code = place.gateway.wait()
    raise RuntimeError(f"the gateway ended with {code}: {place.log.read_text().strip()[-800:]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lanyard demo")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--patients")
    parser.add_argument("--walk", action="store_true")
    parser.add_argument("--json")
    given = parser.parse_args()
    return run(port=given.port, patients=given.patients, walk=given.walk, json_path=given.json)


if __name__ == "__main__":
    sys.exit(main())
