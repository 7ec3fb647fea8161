"""Commands that ask and prove the journal."""

from __future__ import annotations

from .command_line import CommandLine, texts


def add(line: CommandLine) -> None:
    line.group("audit", "ask and prove the journal")
    proving = line.command(
        "audit verify",
        "auditing:audit_verify",
        "prove that the journal is whole",
        "lanyard audit verify --config lanyard.toml",
    )
    proving.add_argument("--json", action="store_true", help="the report as JSON")
    asking = line.command(
        "audit search",
        "auditing:audit_search",
        "who saw what (the search is journalled)",
        "lanyard audit search --patient '999 000 0018'",
    )
    texts(
        asking,
        ("who", "subject, or a part of the name"),
        ("patient", "an identifier: NHS number or a system's own"),
        ("system", "a system's name"),
        ("type", "an event type, e.g. access.denied"),
        ("request", "a request's number, or its beginning as pages show it"),
        ("since", "from this time, UTC: 2026-11-27T14:30"),
        ("until", "before this time"),
    )
    asking.add_argument("--limit", type=int, default=100, help="at most so many, newest first (default: 100)")
    asking.add_argument("--json", action="store_true", help="one JSON object a line")
