"""What `lanyard audit verify` says of the central journal: whole or not, what never arrived, or that it could not be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..audit.verify import Report
from ..config import Config
from .connection import CentralUnavailable, central_of
from .verify import CentralReport, CentralWriter, compare, verify_central

Instant = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Proof:
    """`report` is None where there is no central journal, or, with `why`, where it could not be asked."""

    report: CentralReport | None
    why: str = ""

    def agrees(self, local: Report, data_dir: Path) -> bool:
        """Compare with the segments here; whether everything is whole, there and here. Raises OSError."""
        if self.report is None:
            return local.whole and not self.why
        compare(self.report, local, data_dir)
        return (
            self.report.whole and not any(w.bad for w in local.writers) and bool(local.writers or self.report.writers)
        )

    @property
    def counts(self) -> dict[str, object]:
        """For the journal."""
        if self.report is None:
            return {"central": "unavailable"} if self.why else {}
        counted = {"events": self.report.events, "missing": self.report.missing, "writers": len(self.report.writers)}
        return {"central": counted}

    @property
    def values(self) -> dict[str, object]:
        """For a program."""
        if self.report is None:
            return {"central": {"unavailable": self.why}} if self.why else {}
        return {"central": {"whole": self.report.whole, "writers": [_values(one) for one in self.report.writers]}}

    def print(self, instant: Instant) -> None:
        """For a person."""
        if self.why:
            print(f"NOT PROVEN: the central journal could not be asked: {self.why}")
        if self.report is None:
            return
        table = Table("in the central journal", "events", "proven until", "found", box=None, pad_edge=False)
        for one in self.report.writers:
            until = instant(one.report.until) if one.report.events else "-"
            table.add_row(one.report.name, f"{one.report.events:,}", until, _found(one))
        Console().print(table)
        for one in self.report.writers:
            if one.missing:
                print(missing(one, instant))
        words = "whole" if self.report.whole else "NOT WHOLE"
        print(
            f"{words}: {self.report.events:,} events in the central journal verified, {self.report.missing:,} missing"
        )


def missing(one: CentralWriter, instant: Instant) -> str:
    first = one.report.last[1] + 1
    return (
        f"writer `{one.report.name}`: {one.missing:,} events, {first} to {first + one.missing - 1}, "
        f"written until {instant(one.told_at)}, never arrived"
    )


def _found(one: CentralWriter) -> str:
    if one.report.bad:
        return one.report.bad
    found = "whole" if one.here else "whole, proven from here alone"
    found += f", {one.on_their_way:,} on their way" if one.on_their_way else ""
    return found + (", some never arrived" if one.missing else "")


def _values(one: CentralWriter) -> dict[str, object]:
    return {
        "name": one.report.name,
        "here": one.here,
        "events": one.report.events,
        "until": one.report.until,
        "bad": one.report.bad,
        "orderly": one.report.orderly,
        "told": one.told,
        "told_at": one.told_at,
        "missing": one.missing,
        "first_missing": one.report.last[1] + 1 if one.missing else 0,
        "on_their_way": one.on_their_way,
    }


def proven_there(config: Config, data_dir: Path, key: bytes, progress: Callable[[int], None]) -> Proof:
    """To be asked before the segments here are read. Raises ConfigError, OSError."""
    if (central := central_of(config)) is None:
        return Proof(None)
    try:
        return Proof(verify_central(central, data_dir, key, progress))
    except CentralUnavailable as error:
        return Proof(None, str(error))
