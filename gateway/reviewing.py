"""`lanyard emergency`: who signed on without the provider, whether somebody has looked at it, and an end to a record. From the journal;
each look at it is journalled itself."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sso.last_sign_on import plain_name

from . import config as configuration
from .audit.asked import Copy
from .audit.event import EventType
from .audit.search import Found, found_by, search
from .audit.search import Question as Asked
from .auditing import instant, journal_own, operator, print_limits
from .central.connection import central_of
from .central.copy import asked_copy
from .config import Config
from .errors import ConfigError
from .installation import opened_store
from .keys import journal_key

_SHOWN = 12  # characters of a shift's id, which are enough to name it
_MOST = 100_000
_WHY = {"provider-away": "the provider was away", "vouched": "vouched for"}


def emergency_list(given: argparse.Namespace) -> int:
    """What nobody has looked at yet, newest first; `--all` also what somebody has."""
    config = configuration.load(given.config)
    with _copy(config, {"emergency": "all" if given.all else "unreviewed"}) as copy:
        found = _listed(copy)
    shown = [one for one in found if given.all or not one["reviewed_by"]]
    if given.json:
        for one in shown:
            print(json.dumps(one))
    elif not shown:
        print("every emergency sign-on was looked at" if found else "nobody has signed on in an emergency")
    else:
        _print(shown)
    return 0


def emergency_reviewed(given: argparse.Namespace) -> int:
    """Somebody has looked at it, and says what they found. Once: a second look is an error, not a new verdict."""
    config = configuration.load(given.config)
    with _copy(config, {"emergency": given.id}) as copy:
        found = [one for one in _listed(copy) if len(given.id) >= 4 and str(one["shift"]).startswith(given.id)]
    if len(found) != 1:
        what = "no emergency sign-on's number begins" if not found else "several emergency sign-ons' numbers begin"
        raise ConfigError([f"{what} with `{given.id}`: give it as `lanyard emergency list` shows it"])
    (one,) = found
    if one["reviewed_by"]:
        raise ConfigError([f"`{given.id}` was looked at already, by {one['reviewed_by']}: {one['note']}"])
    said: dict[str, object] = {"shift": one["shift"], "subject": one["subject"], "by": operator(), "note": given.note}
    journal_own(Path(config.gateway.data_dir), journal_key(config), EventType.EMERGENCY_REVIEWED, said)
    print(f"{str(one['shift'])[:_SHOWN]}: the emergency sign-on of {one['name']} was looked at")
    return 0


def emergency_forget(given: argparse.Namespace) -> int:
    """A leaver's record: from here on nothing but the provider lets them in."""
    config = configuration.load(given.config)
    issuer = given.issuer or config.sso.issuer
    if not plain_name(given.subject):
        raise ConfigError([f"`{given.subject}` is no subject: give it as the journal says it"])

    async def forget() -> bool:
        async with opened_store(config) as store:
            return await store.forget_last_sign_on(issuer, given.subject)

    if not asyncio.run(forget()):
        print(f"nothing is kept of `{given.subject}`")
        return 1
    said: dict[str, object] = {"issuer": issuer, "subject": given.subject, "by": operator()}
    journal_own(Path(config.gateway.data_dir), journal_key(config), EventType.EMERGENCY_FORGOTTEN, said)
    print(f"`{given.subject}` is forgotten: they sign on at the provider, or not at all")
    return 0


@contextlib.contextmanager
def _copy(config: Config, question: dict[str, str]) -> Iterator[Copy]:
    """Written down before anything is shown, as every look is."""
    data_dir = Path(config.gateway.data_dir)
    asked: dict[str, object] = {"question": question, "user": operator()}
    journal_own(data_dir, journal_key(config), EventType.AUDIT_READ, asked)
    with asked_copy(data_dir, central_of(config)) as copy:
        yield copy
        print_limits(copy)


def _listed(copy: Copy) -> list[dict[str, object]]:
    started = search(copy, Asked(type=EventType.EMERGENCY_STARTED.value, limit=_MOST))
    reviewed = {e.fields["shift"]: e for e in search(copy, Asked(type=EventType.EMERGENCY_REVIEWED.value, limit=_MOST))}
    looks = _looks(copy, started)
    return [_values(one, reviewed.get(one.fields["shift"]), looks.get(one.fields["shift"], 0)) for one in started]


def _looks(copy: Copy, started: list[Found]) -> dict[str, int]:
    """How many looks were taken in each of these shifts."""
    if not started:
        return {}
    shifts = [one.fields["shift"] for one in started]
    counted: dict[str, int] = {}
    for look in found_by(copy, "access.intent", "shift", shifts, since=min(one.at for one in started)):
        counted[look.fields["shift"]] = counted.get(look.fields["shift"], 0) + 1
    return counted


def _values(started: Found, reviewed: Found | None, looks: int) -> dict[str, object]:
    f = started.fields
    return {
        "shift": f["shift"],
        "at": started.at,
        "subject": f["subject"],
        "name": f["name"],
        "role": f["role"],
        "why": f["why"],
        "method": f["method"],
        "vouched_by": f.get("vouched_by", ""),
        "vouched_by_name": f.get("vouched_by_name", ""),
        "device": f["device_name"],
        "zone": f["zone"],
        "looks": looks,
        "reviewed_by": reviewed.fields["by"] if reviewed else "",
        "note": reviewed.fields["note"] if reviewed else "",
    }


def _print(found: list[dict[str, object]]) -> None:
    table = Table("number", "when", "who", "why", "by", "device", "looks", "looked at by", box=None, pad_edge=False)
    for one in found:
        why = _WHY.get(str(one["why"]), str(one["why"]))
        why += f" by {one['vouched_by_name']}" if one["vouched_by"] else ""
        table.add_row(
            str(one["shift"])[:_SHOWN], instant(float(str(one["at"]))), f"{one['name']} ({one['subject']})", why,
            str(one["method"]), str(one["device"]), str(one["looks"]), str(one["reviewed_by"]) or "nobody",
        )  # fmt: skip
    Console().print(table)
    left = sum(not one["reviewed_by"] for one in found)
    print(
        f"{left} to be looked at: `lanyard audit search --who SUBJECT`, then `lanyard emergency reviewed NUMBER --note …`"
    )
