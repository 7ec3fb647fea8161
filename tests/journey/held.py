"""Another process takes the session store: for writers only, or for everybody."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_LOCKS = 120  # where SQLite keeps the locks of its shared memory: eight bytes (WAL-index format, section 2.3.1)


@contextlib.contextmanager
def for_writers(path: Path) -> Iterator[None]:
    """What `BEGIN EXCLUSIVE` does beside a write-ahead log: readers go on."""
    with contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def for_everybody(path: Path) -> Iterator[None]:
    """What a process does that recovers the log, or that hangs in it."""
    with path.with_name(f"{path.name}-shm").open("r+b") as shared:
        fcntl.lockf(shared, fcntl.LOCK_EX, 8, _LOCKS)
        yield
        fcntl.lockf(shared, fcntl.LOCK_UN, 8, _LOCKS)
