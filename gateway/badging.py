"""`lanyard badge`: a list of badges brought in, and a clinician's badges forgotten. Works beside a running gateway.

The list is CSV with the columns `badge`, `subject` and, where it is not `sso.issuer`, `issuer`. It is taken whole or not at all, and
no message repeats a number.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sso.badge import MOST, Holder, number

from . import config as configuration
from .auditing import operator, own_journal
from .badges import Badges
from .config import Config
from .errors import ConfigError
from .installation import opened_store
from .keys import journal_key, seal_of

T = TypeVar("T")
Row = tuple[str, Holder]  # as typed, and whose


def badge_import(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    rows = _rows(config, given.file)

    async def bring_in(badges: Badges) -> tuple[int, int]:
        new = await _new(badges, rows)
        for typed, holder in new:
            await badges.register(holder, typed, by="import", operator=operator())
        return len(new), len(rows) - len(new)

    made, left = _run(config, bring_in)
    print(f"{made} badges registered" + (f"; {left} were registered to the same persons already" if left else ""))
    return 0


def badge_forget(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    holder = Holder(given.issuer or config.sso.issuer, given.subject)

    async def forget(badges: Badges) -> int:
        gone = [
            await badges.forget(holder, one.id, by="operator", operator=operator()) for one in await badges.of(holder)
        ]
        return sum(gone)

    forgotten = _run(config, forget)
    print(f"{forgotten} badges of `{holder.subject}` forgotten" if forgotten else f"`{holder.subject}` has no badge")
    return 0 if forgotten else 1


def _rows(config: Config, file: str) -> list[Row]:
    """Raises ConfigError with the lines that cannot be taken."""
    what = "standard input" if file == "-" else f"`{file}`"
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{what}: cannot be read: {type(error).__name__}"]) from None
    table = csv.DictReader(io.StringIO(text))
    if not {"badge", "subject"} <= set(table.fieldnames or ()):
        raise ConfigError([f"{what}: begin it with the line `badge,subject,issuer`"])
    rows = [
        (
            line["badge"] or "",
            Holder((line.get("issuer") or config.sso.issuer).strip(), (line["subject"] or "").strip()),
        )
        for line in table
    ]
    numbers = [number(typed, config.badges.prefix, config.badges.suffix) for typed, _ in rows]
    twice = Counter(numbers)
    problems = [
        f"{what}, badge {at}: {why}"
        for at, (found, (_, holder)) in enumerate(zip(numbers, rows, strict=True), 1)
        if (why := _wrong(found, holder, twice[found]))
    ]
    if problems:
        raise ConfigError(problems)
    return rows


def _wrong(found: str, holder: Holder, times: int) -> str:
    if not holder.subject:
        return "names nobody: fill in `subject`"
    if not found:
        return "is no number: 4 to 32 letters and digits, as a reader types them"
    return "stands twice: one badge is one person's" if times > 1 else ""


async def _new(badges: Badges, rows: list[Row]) -> list[Row]:
    """Those that are nobody's yet. Raises ConfigError where one is somebody else's, or somebody would have too many."""
    new, problems = [], []
    for at, (typed, holder) in enumerate(rows, 1):
        known = await badges.whose(typed)
        if known is None:
            new.append((typed, holder))
        elif known != holder:
            problems.append(f"badge {at}: is registered to somebody else: `lanyard badge forget` releases theirs")
    for holder, more in Counter(holder for _, holder in new).items():
        if len(await badges.of(holder)) + more > MOST:
            problems.append(f"`{holder.subject}` would have more than {MOST} badges: forget some first")
    if problems:
        raise ConfigError(problems)
    return new


def _run(config: Config, work: Callable[[Badges], Awaitable[T]]) -> T:
    """With the installation's store, and a journal of the command line's own."""

    async def run() -> T:
        async with opened_store(config) as store:
            journal = own_journal(Path(config.gateway.data_dir), journal_key(config))
            try:
                return await work(Badges(store, seal_of(config), journal, config.badges, time.time))
            finally:
                await journal.close()

    return asyncio.run(run())
