"""The command line. Exit 0: well; 1: found wanting; 2: cannot run, with the file, key and remedy."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from connectors.errors import ConnectorError
from policies.errors import BundleError
from sso.errors import StoreUnavailable
from sso.seal import Seal, new_key

from . import config as configuration
from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .audit.recovery import JournalDamaged
from .audit.search import Found, Question, catch_up, open_copy, search
from .audit.verify import Report, verify
from .credentials import seal_credentials
from .errors import ConfigError, JournalUnavailable

WELL, WANTING, CANNOT = 0, 1, 2
_RESERVE = 8 << 20  # bytes; what the command line's own few events may need


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: parse, run, turn refusals into one clear line each."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except (ConfigError, BundleError) as error:
        for problem in error.problems:
            print(f"lanyard: {problem}", file=sys.stderr)
    except (JournalDamaged, JournalUnavailable, StoreUnavailable, ConnectorError) as error:
        print(f"lanyard: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return CANNOT


def _serve(given: argparse.Namespace) -> int:
    from .app import serve

    config = configuration.load(given.config)
    return uvloop.run(serve(config))


def _check(given: argparse.Namespace) -> int:
    from .check import problems

    config = configuration.load(given.config)
    found = asyncio.run(problems(config, live=given.live))
    for problem in found:
        print(f"lanyard: {problem}", file=sys.stderr)
    if not found:
        print(f"{given.config}: {len(config.systems)} systems, all well")
    return WANTING if found else WELL


def _key_new(given: argparse.Namespace) -> int:
    print(new_key())
    return WELL


def _key_seal_credentials(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    if given.system not in {system.name for system in config.systems}:
        raise ConfigError([f"`{given.system}` is no system of {given.config}"])
    seal = Seal.of(config.keys.seal.read())
    print(seal_credentials(sys.stdin.buffer.read(), given.system, seal))
    return WELL


def _policy_check(given: argparse.Namespace) -> int:
    from policies.bundle import Bundle
    from policies.examples import check

    failures = check(given.path)
    for failure in failures:
        print(f"lanyard: {failure}", file=sys.stderr)
    if not failures:
        bundle = Bundle.load(given.path)
        print(
            f"{given.path or 'the bundled policy'}: {len(bundle.rules)} rules, version {bundle.version}, every example holds"
        )
    return WANTING if failures else WELL


def _audit_verify(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    data_dir, key = Path(config.gateway.data_dir), config.keys.journal.read()
    console = Console(stderr=True)
    begun = time.monotonic()
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as progress:
        task = progress.add_task("reading the journal")
        report = verify(data_dir, key, lambda n: progress.update(task, description=f"{n:,} events verified"))
    _journal_own(data_dir, key, EventType.AUDIT_VERIFIED, {"events": report.events, "whole": report.whole})
    if given.json:
        print(json.dumps(_report_values(report)))
    else:
        _print_report(report, time.monotonic() - begun)
    return WELL if report.whole else WANTING


def _report_values(report: Report) -> dict[str, object]:
    return {
        "whole": report.whole,
        "events": report.events,
        "unended": report.unended,
        "writers": [
            {"name": w.name, "events": w.events, "until": w.until, "bad": w.bad, "types": dict(w.types)}
            for w in report.writers
        ],
    }


def _print_report(report: Report, seconds: float) -> None:
    if not report.writers:
        print("there is no journal here yet")
        return
    table = Table("writer", "events", "proven until", "found", box=None, pad_edge=False)
    for writer in report.writers:
        until = _instant(writer.until) if writer.events else "-"
        state = writer.bad or ("whole, being written" if writer.being_written else "whole")
        table.add_row(writer.name, f"{writer.events:,}", until, state)
    Console().print(table)
    print(f"{report.unended} intents without an end: they count as released")
    rate = f"{report.events / seconds:,.0f} events/s" if seconds > 0 else ""
    print(f"{'whole' if report.whole else 'NOT WHOLE'}: {report.events:,} events verified, {rate}")


def _audit_search(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    data_dir, key = Path(config.gateway.data_dir), config.keys.journal.read()
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
    _journal_own(data_dir, key, EventType.AUDIT_READ, {"question": asked, "user": _operator()})
    copy = open_copy(data_dir)
    catch_up(data_dir, copy)
    found = search(copy, question)
    copy.close()
    if given.json:
        for event in found:
            print(
                json.dumps(
                    {"writer": event.writer, "seq": event.seq, "at": event.at, "type": event.type, **event.fields}
                )
            )
    else:
        _print_found(found)
    return WELL if found else WANTING


def _print_found(found: list[Found]) -> None:
    if not found:
        print("nothing found")
        return
    table = Table("when", "what", "who", "system", "patients", "how", box=None, pad_edge=False)
    for event in found:
        f = event.fields
        patients = ", ".join(value for _, value in f.get("patients", ()))
        how = " ".join(str(f.get(k)) for k in ("action", "kind", "reason", "outcome") if f.get(k))
        table.add_row(
            _instant(event.at),
            event.type,
            f.get("name") or f.get("subject") or "",
            f.get("system") or "",
            patients,
            how,
        )
    Console().print(table)


def _journal_own(data_dir: Path, key: bytes, kind: EventType, fields: dict[str, object]) -> None:
    """An event of the command line's own, beside a running gateway: another writer, another chain."""

    async def write() -> None:
        journal = Journal.open(data_dir, key, now=time.time, name="cli", reserve=_RESERVE, segment=1 << 20)
        try:
            await journal.record(AuditEvent(kind, time.time(), fields))
        finally:
            await journal.close()

    asyncio.run(write())


def _operator() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _parsed_instant(text: str) -> float:
    if not text:
        return 0.0
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"`{text}` is no time: write `2026-11-27` or `2026-11-27T14:30`"]) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _demo(given: argparse.Namespace) -> int:
    """The demo is a program of its own, that uses this one by its command line only."""
    options = [sys.executable, "-m", "demo", "--port", str(given.port)]
    options += ["--patients", given.patients] if given.patients else []
    options += ["--walk"] if given.walk else []
    options += ["--json", given.json] if given.json else []
    os.execv(sys.executable, options)  # noqa: S606 - our own interpreter and our own module


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lanyard", description="A gateway to clinical records: one sign-on a shift, every look written down."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        path: str, run: Callable[[argparse.Namespace], int], does: str, example: str, *, config: bool = True
    ) -> argparse.ArgumentParser:
        group, _, name = path.rpartition(" ")
        into = groups[group] if group else commands
        made = into.add_parser(
            name,
            help=does,
            description=does,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        if config:
            made.add_argument(
                "--config", default="lanyard.toml", metavar="FILE", help="the configuration (default: lanyard.toml)"
            )
        return made

    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for name, does in (
        ("audit", "ask and prove the journal"),
        ("key", "make and use keys"),
        ("policy", "check policies"),
    ):
        groups[name] = commands.add_parser(name, help=does, description=does).add_subparsers(
            required=True, metavar="COMMAND"
        )

    demo = command(
        "demo", _demo, "a pretend hospital and a gateway in front of it", "lanyard demo --walk", config=False
    )
    demo.add_argument("--port", type=int, default=8080, help="where the gateway listens (default: 8080)")
    demo.add_argument("--patients", metavar="DIR", help="a folder of FHIR R4 bundles, in place of invented patients")
    demo.add_argument(
        "--walk", action="store_true", help="sign on and open everything by itself, print the table, stop"
    )
    demo.add_argument("--json", metavar="FILE", help="with --walk: the table's figures, as JSON")
    command("serve", _serve, "run the gateway", "lanyard serve --config /etc/lanyard/lanyard.toml")
    check = command(
        "check", _check, "find every problem of a configuration", "lanyard check --config lanyard.toml --live"
    )
    check.add_argument("--live", action="store_true", help="also ask the identity provider and every system")
    command("key new", _key_new, "print a new key", "lanyard key new > /etc/lanyard/seal.key", config=False)
    sealing = command(
        "key seal-credentials",
        _key_seal_credentials,
        "seal a list of clinicians' credentials (JSON on standard input) for a system",
        "lanyard key seal-credentials pas < pas.json > /etc/lanyard/pas.credentials",
    )
    sealing.add_argument("system", help="the system's name")
    policy = command(
        "policy check",
        _policy_check,
        "check a policy bundle and its examples",
        "lanyard policy check ./policies",
        config=False,
    )
    policy.add_argument("path", nargs="?", help="the bundle's folder (default: the bundled one)")
    proving = command(
        "audit verify", _audit_verify, "prove that the journal is whole", "lanyard audit verify --config lanyard.toml"
    )
    proving.add_argument("--json", action="store_true", help="the report as JSON")
    asking = command(
        "audit search",
        _audit_search,
        "who saw what (the search is journalled)",
        "lanyard audit search --patient '999 000 0018'",
    )
    for name, does in (
        ("who", "subject, or a part of the name"),
        ("patient", "an identifier: NHS number or a system's own"),
        ("system", "a system's name"),
        ("type", "an event type, e.g. access.denied"),
        ("request", "a request's id"),
        ("since", "from this time, UTC: 2026-11-27T14:30"),
        ("until", "before this time"),
    ):
        asking.add_argument(f"--{name}", default="", help=does)
    asking.add_argument("--limit", type=int, default=100, help="at most so many, newest first (default: 100)")
    asking.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
