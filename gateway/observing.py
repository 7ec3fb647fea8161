"""`lanyard device report`: what enforcing would have refused, while `devices.mode` still observes. From the journal; journalled itself."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import config as configuration
from .audit.asked import Copy, words_of
from .audit.event import EventType
from .auditing import journal_own, operator, print_limits
from .central.connection import central_of
from .central.copy import asked_copy
from .keys import journal_key

_DAY = 86_400.0
_WORDS = ("reason", "system", "zone", "device", "looks", "clinicians")


def device_report(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    data_dir = Path(config.gateway.data_dir)
    asked: dict[str, object] = {"question": {"observed": True, "days": given.days}, "user": operator()}
    journal_own(data_dir, journal_key(config), EventType.AUDIT_READ, asked)
    with asked_copy(data_dir, central_of(config)) as copy:
        found = would_refuse(copy, time.time() - given.days * _DAY)
        print_limits(copy)
    if given.json:
        for row in found:
            print(json.dumps(dict(zip(_WORDS, row, strict=True))))
    elif not found:
        print(f"in the last {given.days} days enforcing would have refused nothing")
    else:
        _print(found, given.days)
    return 0


def would_refuse(copy: Copy, since: float) -> list[tuple[str, str, str, str, int, int]]:
    """Looks that were let pass since then (seconds since the epoch) and would not have been, most frequent first: reason, system,
    zone, device, how many, of how many clinicians. Raises sqlite3.Error, SearchUnavailable."""
    words = words_of(copy)
    reason, zone, device = (words.of_field(name) for name in ("observed.reason", "zone", "device"))
    rows = copy.execute(
        f"SELECT {reason}, system, {zone}, {device}, count(*), count(DISTINCT subject) FROM event"  # noqa: S608 - fixed words only
        f" WHERE type = 'access.intent' AND at >= ? AND {words.holds} GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4",
        (since, b'"observed":{'),
    )
    return [tuple(row) for row in rows]


def _print(found: list[tuple[str, str, str, str, int, int]], days: int) -> None:
    table = Table("reason", "system", "zone", "device", box=None, pad_edge=False)
    for name in ("looks", "clinicians"):
        table.add_column(name, justify="right")
    for reason, system, zone, device, looks, clinicians in found:
        table.add_row(reason, system, zone or "outside", device or "unknown", f"{looks:,}", f"{clinicians:,}")
    Console().print(table)
    looks = sum(row[4] for row in found)
    print(f"in the last {days} days enforcing would have refused {looks:,} looks (`devices.mode`, docs/devices.md)")
