"""`lanyard audit`: ask and prove the journal. Each of these looks is journalled itself, before anything is shown."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from . import config as configuration
from .audit.asked import Copy, words_of
from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .audit.search import Found, Question, search
from .audit.verify import Report, WriterReport, verify
from .central.connection import central_of
from .central.copy import arrivals, asked_copy, limits
from .central.proof import proven_there
from .config import Config
from .errors import ConfigError, JournalUnavailable
from .keys import journal_key

_RESERVE = 8 << 20  # bytes; what the command line's own few events may need
_PATIENCE = 5.0  # seconds to wait while another command writes its own event
_AGAIN = 0.05


def audit_verify(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    data_dir, key = Path(config.gateway.data_dir), journal_key(config)
    console = Console(stderr=True)
    begun = time.monotonic()
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as progress:
        task = progress.add_task("reading the journal")

        def tell(number: int) -> None:
            progress.update(task, description=f"{number:,} events verified")

        central = proven_there(config, data_dir, key, tell)
        report = verify(data_dir, key, tell)
    whole = central.agrees(report, data_dir)
    said = {"events": report.events, "whole": whole, **central.counts}
    journal_own(data_dir, key, EventType.AUDIT_VERIFIED, said)
    if given.json:
        print(json.dumps({**_report_values(report), **central.values, "whole": whole}))
    else:
        _print_report(report, time.monotonic() - begun)
        central.print(instant)
    return 0 if whole else 1


def _report_values(report: Report) -> dict[str, object]:
    return {
        "whole": report.whole,
        "events": report.events,
        "unended": report.unended,
        "writers": [
            {
                "name": w.name,
                "events": w.events,
                "until": w.until,
                "bad": w.bad,
                "being_written": w.being_written,
                "orderly": w.orderly,
                "types": dict(w.types),
            }
            for w in report.writers
        ],
    }


def _print_report(report: Report, seconds: float) -> None:
    if not report.writers:
        print("there is no journal here yet")
        return
    table = Table("writer", "events", "proven until", "found", box=None, pad_edge=False)
    for writer in report.writers:
        until = instant(writer.until) if writer.events else "-"
        state = writer.bad or ("whole, being written" if writer.being_written else "whole")
        state += ", not closed in good order" if _open_ended(writer) else ""
        table.add_row(writer.name, f"{writer.events:,}", until, state)
    Console().print(table)
    for writer in filter(_open_ended, report.writers):
        print(
            f"`{writer.name}` was not closed in good order (killed, or the power failed): every event up to "
            f"{instant(writer.until)} is proven, but the journal alone cannot prove that none followed"
        )
    print(f"{report.unended} intents without an end: they count as released")
    rate = f"{report.events / seconds:,.0f} events/s" if seconds > 0 else ""
    print(f"{'whole' if report.whole else 'NOT WHOLE'}: {report.events:,} events verified, {rate}")


def _open_ended(writer: WriterReport) -> bool:
    """Nothing marks the end of what was written, and nobody is writing: the newest events could have been cut off."""
    return bool(writer.events) and not (writer.orderly or writer.being_written or writer.bad)


def audit_search(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    data_dir, key = Path(config.gateway.data_dir), journal_key(config)
    question = Question(
        who=given.who,
        patient=given.patient,
        system=given.system,
        type=given.type,
        request=given.request,
        since=_parsed_instant(given.since),
        until=_parsed_instant(given.until),
        limit=given.limit,
    )
    asked = {
        k: getattr(question, k)
        for k in ("who", "patient", "system", "type", "request", "since", "until")
        if getattr(question, k)
    }
    # Written down before anything is shown, as every look is.
    journal_own(data_dir, key, EventType.AUDIT_READ, {"question": asked, "user": operator()})
    with asked_copy(data_dir, central_of(config)) as copy:
        found = search(copy, replace(question, request=_whole(copy, given.request)))
        print_limits(copy)
    if given.json:
        for event in found:
            print(
                json.dumps(
                    {"writer": event.writer, "seq": event.seq, "at": event.at, "type": event.type, **event.fields}
                )
            )
    else:
        print_found(found)
    return 0 if found else 1


def print_limits(copy: Copy) -> None:
    """Up to when the answer reaches, where others write too; beside it, so that whoever reads JSON is not in its way."""
    for line in limits(arrivals(copy), instant):
        print(line, file=sys.stderr)


def print_found(found: list[Found]) -> None:
    """A table for a person."""
    if not found:
        print("nothing found")
        return
    table = Table("when", "what", "who", "system", "patients", "how", box=None, pad_edge=False)
    for event in found:
        f = event.fields
        patients = ", ".join(value for _, value in f.get("patients", ()))
        how = " ".join(str(f.get(k)) for k in ("action", "kind", "reason", "outcome") if f.get(k))
        table.add_row(
            instant(event.at),
            event.type,
            f.get("name") or f.get("subject") or "",
            f.get("system") or "",
            patients,
            how,
        )
    Console().print(table)


def asked_in(config: Config, request: str) -> str:
    """The engine's exact input for a request, as JSON; empty where the journal knows no such access. Journalled."""
    data_dir = Path(config.gateway.data_dir)
    asked = {"request": request, "input": True}
    journal_own(data_dir, journal_key(config), EventType.AUDIT_READ, {"question": asked, "user": operator()})
    with asked_copy(data_dir, central_of(config)) as copy:
        found = search(copy, Question(request=_whole(copy, request)))
        access = next((one for one in found if one.type in ("access.intent", "access.denied")), None)
        if access is None:
            return ""
        # The input itself stands with the first event of each segment that has its hash.
        holds = words_of(copy).holds
        row = copy.execute(
            f"SELECT payload FROM event WHERE writer = ? AND epoch = ? AND seq <= ? AND {holds} AND {holds}"  # noqa: S608 - fixed words only
            " ORDER BY seq DESC LIMIT 1",
            (access.writer, access.epoch, access.seq, _part("input_hash", access.fields["input_hash"]), b'"input":{'),
        ).fetchone()
    return json.dumps(json.loads(row[0])["input"]) if row else ""


def _whole(copy: Copy, request: str) -> str:
    """A request's whole number from its beginning, which is what pages show; as given where it begins none or several."""
    rows = copy.execute(
        "SELECT DISTINCT request FROM event WHERE request >= ? AND request < ? LIMIT 2", (request, request + "~")
    ).fetchall()
    return str(rows[0][0]) if request and len(rows) == 1 else request


def _part(name: str, value: str) -> bytes:
    return f'"{name}":"{value}"'.encode()


def journal_own(data_dir: Path, key: bytes, kind: EventType, fields: dict[str, object]) -> None:
    """An event of the command line's own, beside a running gateway: another writer, another chain."""

    async def write() -> None:
        journal = own_journal(data_dir, key)
        try:
            await journal.record(AuditEvent(kind, time.time(), fields))
        finally:
            await journal.close()

    asyncio.run(write())


def own_journal(data_dir: Path, key: bytes) -> Journal:
    """Another command may be writing its own event just now: it is waited for."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return Journal.open(data_dir, key, now=time.time, name="cli", reserve=_RESERVE, segment=1 << 20)
        except JournalUnavailable as error:
            if error.reason != "locked" or time.monotonic() > until:
                raise
        time.sleep(_AGAIN)


def operator() -> str:
    """Whoever runs this command, as the machine knows them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def instant(at: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _parsed_instant(text: str) -> float:
    if not text:
        return 0.0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"`{text}` is no time: write `2026-11-27` or `2026-11-27T14:30`"]) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
