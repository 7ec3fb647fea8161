"""A big journal, as a gateway leaves it that is killed: `python -m tests.chaos.volume CONFIGURATION EVENTS`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.journal import access, one
from gateway.audit.journal import Journal
from gateway.config import load
from gateway.keys import journal_key
from tests.journey.hospital import Hospital

_AT_ONCE = 64


def left_behind(place: Hospital, events: int) -> None:
    """So many events in the journal of a gateway that does not run. Its writer is killed at the end."""
    command = [sys.executable, "-m", "tests.chaos.volume", str(place.path), str(events)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True).returncode
    assert ended == -signal.SIGKILL, f"the writer ended with {ended}"


async def _write(config: Path, events: int) -> None:
    known = load(config, {})
    table = known.gateway
    assert table.data_dir is not None
    journal = Journal.open(Path(table.data_dir), journal_key(known), now=time.time, name=table.name)
    asked = [access(number) for number in range(5000)]

    async def ask(task: int) -> None:
        for number in range(events // 2 // _AT_ONCE):  # each is an intent and its end
            await one(journal, asked[(task * 7 + number) % 5000], task << 32 | number)

    await asyncio.gather(*(ask(task) for task in range(_AT_ONCE)))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1]), int(sys.argv[2])))
