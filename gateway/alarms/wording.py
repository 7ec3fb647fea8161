"""A notice as a mail and as a webhook's body: what, since when, what it means, what to do. No patient and no person in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from .controls import control_of
from .telling import Notice

PAGE = "docs/alarms.md"


def subject(notice: Notice) -> str:
    word = "ok" if notice.state == "ok" else notice.severity.value.upper()
    what = "works again" if notice.state == "ok" else notice.state
    return f"[lanyard {notice.gateway}] {word}: {notice.control} {'still ' if notice.again else ''}{what}"


def text(notice: Notice) -> str:
    control, since = control_of(notice.control), _time(notice.since)
    if notice.state == "ok":
        return f"{notice.control} works again on {notice.gateway}.\nIt had failed since {since}.\n"
    return (
        f"{notice.control} fails on {notice.gateway} since {since}: {notice.state}.\n\n"
        f"What it means: {control.means}\n\nWhat to do: {control.do}\n\n"
        f"The whole of it: {page(notice.control)}\nHow it is now: lanyard status\n"
    )


def mail(notice: Notice, sender: str, to: list[str]) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = subject(notice)
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.at, UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    if notice.severity.value == "critical" and notice.state != "ok":
        message["Importance"] = "high"
    message.set_content(text(notice))
    return message


def body(notice: Notice) -> bytes:
    control = control_of(notice.control)
    fields = {
        "gateway": notice.gateway,
        "control": notice.control,
        "severity": notice.severity.value,
        "state": notice.state,
        "again": notice.again,
        "since": _time(notice.since),
        "at": _time(notice.at),
        "means": control.means,
        "do": control.do,
        "page": page(notice.control),
    }
    return json.dumps(fields).encode()


def page(control: str) -> str:
    return f"{PAGE}#{control}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
