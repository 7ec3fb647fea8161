"""`python -m demo`, which is what `lanyard demo` runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from .hospital import Hospital, hospital
from .people import USERS
from .records import Records
from .walk import walk_through


def run(*, port: int, patients: str | None, walk: bool, json_path: str | None) -> int:
    """`lanyard demo`. 0: well; 1: the walk found something wanting; 2: cannot start."""
    console = Console()
    try:
        records = Records.of_folder(Path(patients)) if patients else None
        with hospital(port, records, say=lambda text: console.print(f"[dim]·[/] {text}")) as place:
            if walk:
                return walk_through(place, console, Path(json_path) if json_path else None)
            _welcome(place, console)
            _wait(place)
            return 0
    except (RuntimeError, ValueError, OSError) as error:
        print(f"lanyard: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _welcome(place: Hospital, console: Console) -> None:
    console.print(Syntax(place.config.read_text("utf-8"), "toml", word_wrap=True, background_color="default"))
    people = Table("sign on as", "who", "may", box=None, pad_edge=False)
    may = {"nurse": "read, write notes and observations", "doctor": "read and write", "receptionist": "demographics and appointments",
           "privacy-officer": "no records; the journal by `lanyard audit search`",
           "security-officer": "no records; which devices are known, and what was opened on them"}  # fmt: skip
    for user in USERS:
        people.add_row(user.name, user.says, may[user.group])
    console.print(people)
    console.print(Panel.fit(f"Open [bold]{place.url}[/] in Chromium, Chrome, Edge or Firefox.\n"
                            f"Journal: lanyard audit search --config {place.config}\nCtrl-C stops everything.", title="The hospital is open"))  # fmt: skip


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
