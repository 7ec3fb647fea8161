"""The figures for people, within 80 columns."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .figures import Figures


def table(figures: Figures) -> Table:
    f = figures
    made = Table("One shift", "", "", box=SIMPLE_HEAD, pad_edge=False)
    made.columns[1].justify = "right"
    made.columns[2].style = "dim"
    refused = "-" if f.revoked_refused_ms is None else f"{f.revoked_refused_ms} ms"
    made.add_row("log-ons made by the nurse", str(f.log_ons))
    made.add_row("log-ons avoided", str(f.log_ons_avoided), "systems opened")
    made.add_row("[bold]prompts after the first[/]", f"[bold]{f.prompts_after_first}[/]", "for a password, anywhere")
    made.add_row("unlocks", str(f.unlocks), "by PIN: no password")
    made.add_row("hand-offs", str(f.hand_offs), "to phone and tablet")
    made.add_row("fast switches", str(f.switches), "at one PC")
    made.add_row("prompts of the colleague, after the first", str(f.colleague_prompts_after_first))
    made.add_row("kept writes sent", str(f.kept_writes_sent), "by hand, arrived once")
    made.add_row("stale writes refused", str(f.stale_writes_refused), "from a tab left open")
    made.add_row("looks refused", str(f.refused_on_unknown), "unknown tablet, outside")
    made.add_row("revoked phone refused after", refused)
    made.add_row("seconds to the first record", f"{f.seconds_to_first_record:.2f}")
    made.add_row("requests brokered", str(f.requests))
    made.add_row("events journalled", str(f.events), "verified" if f.verified else "[bold red]NOT VERIFIED[/]")
    for title, state in f.systems.items():
        made.add_row(title, "", state)
    return made
