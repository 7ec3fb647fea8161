"""Under which name a writer's events stand in the central journal, and how far it says it has written.

A data directory has a random number. Whoever comes first with a name has it; a folder that asks for a name of another data directory's
stands under `NAME@` and the beginning of its own number: two chains are never mixed. A machine that was replaced is noticed so, and two
gateways of one name that write at the same time are besides an alarm.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from .connection import Connection

_FILE = "installation"
_NUMBER = re.compile(r"[0-9a-f]{32}")
_SHOWN = 8  # characters of a data directory's number
_ALIVE = 10  # seconds since it last told how far it is


@dataclass(frozen=True, slots=True)
class Claim:
    writer: str  # its name in the central journal
    rival: bool = False  # another data directory's writer of the same name is at work now


def installation(data_dir: Path) -> str:
    """The data directory's number, made at its first use. Raises OSError."""
    path = data_dir / "journal" / _FILE
    if not path.exists():
        new = path.with_name(f"{_FILE}.{secrets.token_hex(8)}")
        new.touch(mode=0o600)
        new.write_text(secrets.token_hex(16))
        with contextlib.suppress(FileExistsError):  # another worker was first
            os.link(new, path)
        new.unlink()
    number = path.read_text().strip()
    if not _NUMBER.fullmatch(number):
        raise OSError(f"`{path}` is not as the gateway made it: restore it from a backup")
    return number


def claimed(c: Connection, number: str, folder: str, gateway: str) -> Claim:
    """The name of this folder's writer, taken now where it has none. `gateway`: what this gateway is called."""
    row = c.execute("SELECT writer FROM writer WHERE installation = %s AND folder = %s", (number, folder)).fetchone()
    name = _asked_for(folder, gateway)
    if row is None:
        row = (_take(c, number, folder, name),)
    return Claim(str(row[0]), _rival(c, number, name))


def _asked_for(folder: str, gateway: str) -> str:
    """Workers' names have the gateway's in them; each machine's command line is called `cli`, and told apart by the gateway beside it."""
    return folder if re.fullmatch(rf"{re.escape(gateway)}(-\d+)?(-b)?", folder) else f"{gateway}/{folder}"


def _take(c: Connection, number: str, folder: str, name: str) -> str:
    for one in (name, f"{name}@{number[:_SHOWN]}", f"{name}@{number}"):
        taken = c.execute(
            "INSERT INTO writer (writer, installation, folder) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (one, number, folder),
        )
        if taken.rowcount:
            return one
    row = c.execute("SELECT writer FROM writer WHERE installation = %s AND folder = %s", (number, folder)).fetchone()
    assert row is not None, "another process has taken it for the same folder"
    return str(row[0])


def _rival(c: Connection, number: str, name: str) -> bool:
    row = c.execute(
        "SELECT 1 FROM writer WHERE (writer = %s OR starts_with(writer, %s)) AND installation <> %s"
        " AND epoch > 0 AND told > now() - make_interval(secs => %s) LIMIT 1",
        (name, f"{name}@", number, _ALIVE),
    ).fetchone()
    return row is not None


@dataclass(frozen=True, slots=True)
class Told:
    """How far a writer is: its epoch, its last durable sequence, and when that was looked at."""

    writer: str
    epoch: int
    seq: int
    at: float


def tell(c: Connection, all_of_them: list[Told]) -> None:
    """So that what a lost machine wrote and never sent can be named."""
    c.execute(
        "UPDATE writer w SET epoch = n.epoch, seq = n.seq, at = n.at, told = now()"
        " FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::float8[]) AS n (writer, epoch, seq, at)"
        " WHERE w.writer = n.writer AND (n.epoch, n.seq) >= (w.epoch, w.seq)",
        [list(column) for column in zip(*((t.writer, t.epoch, t.seq, t.at) for t in all_of_them), strict=True)],
    )
