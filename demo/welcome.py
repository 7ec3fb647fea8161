"""What somebody who has just started the demo reads: where it is, who they may be, and what to try. 80 columns."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .devices import BANK_NURSE, DOCTOR, NURSE, PC
from .hospital import Hospital
from .people import USERS

_MAY = {
    "nurse": "reads and writes records",
    "doctor": "reads and writes records",
    "receptionist": "demographics, appointments",
    "privacy-officer": "no records: the journal",
    "security-officer": "no records: the devices",
}
_TRY = (
    ("One sign-on", f"Sign on as {NURSE.name}, open every system: nobody asks again."),
    ("Lock and PIN", "Once enrolled: My shift, Set a PIN. Lock: the PIN leads back."),
    ("Hand-off", "A private window is your phone: Bring this device into my shift. Type its code at My shift, Bring in another device."),
    ("Not you?", f"Press it and be {DOCTOR.name}: nothing of {NURSE.name} is there. She comes back by PIN and badge (any number, at My shift)."),
    ("Nothing lost", "Type a note in the PAS, Lock in another tab, save: it is kept."),
    ("Vault", f"{BANK_NURSE.name} opens the PAS: her log-on there is asked for once ({BANK_NURSE.pas_user}, {BANK_NURSE.pas_password}), tried, and kept sealed."),
)  # fmt: skip


def welcome(place: Hospital, link: str, console: Console) -> None:
    """`link`: what makes a browser a ward PC, once. What is needed first stands last, where a short window shows it."""
    _section(console, "Who you may be", "pick one at the sign-on page; this provider asks for no password")
    _rows(console, ((user.name, user.says, _MAY[user.group]) for user in USERS))
    _section(console, "Devices", "the first two are enrolled, by browsers without a screen")
    _rows(console, ((PC, "shared, on the ward", "proves itself by its key"),
                    (f"Phone of {NURSE.name}", "her own", "approved; proves itself too"),
                    ("Any other", "not known here", "no PIN; outside, little is open")))  # fmt: skip
    _section(console, "Try")
    _rows(console, ((f"{number} {title}", says) for number, (title, says) in enumerate(_TRY, 1)))
    _section(console, "Make this browser a ward PC", "once, within 15 minutes")
    _whole(console, link)
    _section(console, "Who saw what")
    _whole(console, f"{_command()} audit search --config {shlex.quote(str(place.config))}")
    console.print()
    here = Text.assemble("Open ", (place.url, "bold underline"), " in Chromium, Chrome, Edge or Firefox.")
    console.print(Panel(Group(here, Text("Ctrl-C stops everything. `lanyard demo --walk` does it by itself.", "dim")),
                        title="The hospital is open", title_align="left", border_style="blue"))  # fmt: skip


def _section(console: Console, title: str, says: str = "") -> None:
    console.print(f"\n[bold blue]{title}[/]  [dim]{says}[/]", highlight=False)


def _rows(console: Console, rows: Iterable[tuple[str, ...]]) -> None:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(Text(row[0], "bold"), *row[1:])
    console.print(Padding(table, (0, 0, 0, 2)))


def _whole(console: Console, text: str) -> None:
    """On one line, however long, so that it can be copied."""
    console.print(f"  {text}", highlight=False, soft_wrap=True, markup=False)


def _command() -> str:
    """The command line of this installation, as short as it can be typed here."""
    program = Path(sys.executable).with_name("lanyard")
    if not program.exists():
        return "lanyard"
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)
