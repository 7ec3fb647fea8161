"""`lanyard demo --walk`: a nurse's shift on four devices through the real pages, step by step, and what it took.

Nothing of the product's inside is used: browsers without a screen, and the command line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import httpx2
from rich.console import Console

from ..browser import Wanting
from ..devices import DOCTOR, devices
from ..hospital import Hospital
from .figures import Figures, Shift
from .hand_off import to_the_phone
from .journal import counted, in_the_right_name
from .kept import sends_a_kept_note
from .lock import locks_and_unlocks, sets_a_pin
from .revoke import loses_the_phone
from .sign_on import signs_off, signs_on
from .switch import colleague_takes_over, comes_back
from .table import table
from .tablet import is_kept_from_records

STEPS: tuple[tuple[str, Callable[[Shift], None]], ...] = (
    ("signs on at Ward 7 PC 3, and opens a record in every system", signs_on),
    ("sets a PIN, and registers her badge", sets_a_pin),
    ("locks the PC; unlocks it by PIN, on the page she left", locks_and_unlocks),
    ("brings in her phone by a code and a number; the same records", to_the_phone),
    ("sends a note into a locked session: kept, then sent by hand", sends_a_kept_note),
    ("is away: a doctor takes the PC over, and sees nothing of hers", colleague_takes_over),
    ("comes back to her own page, by badge and PIN", comes_back),
    ("tries an unknown tablet outside: who the patient is, no more", is_kept_from_records),
    ("loses the phone: revoked, and refused within a second", loses_the_phone),
    ("signs off everywhere", signs_off),
)


def walk_through(place: Hospital, console: Console, json_path: Path | None) -> int:
    """The shift, the table, and 0 or 1."""
    figures, failure = Figures(), ""
    try:
        _walk(place, console, figures)
    except (Wanting, httpx2.HTTPError, RuntimeError, KeyError, IndexError, ValueError) as error:
        failure = str(error) if isinstance(error, Wanting) else f"{type(error).__name__}: {error}"
    counted(place, figures)
    failure = failure or _missing(figures)
    console.print(table(figures))
    if json_path is not None:
        json_path.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if failure:
        console.print(f"[bold red]found wanting:[/] {failure}")
        return 1
    console.print("[bold green]all well[/]")
    return 0


def _walk(place: Hospital, console: Console, figures: Figures) -> None:
    with devices(place, lambda text: console.print(f"[dim]·[/] {text}", highlight=False)) as there:
        shift = Shift(place, there, figures)
        console.print("\nThe nurse …")
        try:
            for says, step in STEPS:
                _taken(console, says, lambda step=step: step(shift))  # type: ignore[misc]  # default binds the loop's value
        finally:
            figures.unlocks = shift.unlocks
            figures.prompts_after_first = max(0, shift.prompts() - 1)
            figures.colleague_prompts_after_first = max(0, shift.prompts(DOCTOR.login) - 1)
        _taken(
            console, "is in the journal under her own name, her colleague under his", lambda: in_the_right_name(place)
        )
    if figures.prompts_after_first or figures.colleague_prompts_after_first:
        raise Wanting("a second prompt was shown")


def _taken(console: Console, says: str, step: Callable[[], None]) -> None:
    """One step, said while it goes on and when it is done."""
    began = time.monotonic()
    try:
        with console.status(says):
            step()
    except BaseException:
        console.print(f"[bold red]✗[/] {says}")
        raise
    console.print(f"[green]✓[/] {says:<64} [dim]{time.monotonic() - began:>5.1f} s[/]", highlight=False)


def _missing(figures: Figures) -> str:
    if not figures.verified:
        return "the journal does not verify"
    return "" if figures.requests else "no request is in the journal"
