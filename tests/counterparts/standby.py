"""A PostgreSQL standby for tests: a copy of a running server that follows it by streaming, until it is promoted."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from .postgres import PASSWORD, USER, PostgresServer, begun, own_folder, programs


@contextlib.contextmanager
def standby_of(
    primary: PostgresServer, *options: str, host: str = "127.0.0.1", user: str = USER, slot: str = "db2"
) -> Iterator[PostgresServer]:
    """By the command of docs/deployment.md, as the role `user`, from the address `host`; `options` as `name=value`."""
    with own_folder() as (folder, owner):
        where = [f"--host={host}", f"--port={primary.port}", f"--username={user}", f"--pgdata={folder}/data"]
        how = ["--write-recovery-conf", "--create-slot", f"--slot={slot}", "--wal-method=stream", "--checkpoint=fast"]
        copied = subprocess.run(
            [programs() / "pg_basebackup", *where, *how, "--no-sync"], capture_output=True, text=True,
            check=False, user=owner, group=owner, cwd=folder, env={**os.environ, "PGPASSWORD": PASSWORD, "HOME": str(folder)},
        )  # fmt: skip
        assert copied.returncode == 0, copied.stderr
        with begun(folder, owner, *options) as server:
            yield server


def reached(primary: PostgresServer) -> str:
    """How far the primary has come with what was written: a place in its log."""
    with primary.connect("postgres") as c:
        row = c.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    assert row is not None
    return str(row[0])


def has(standby: PostgresServer, place: str) -> bool:
    """Whether the standby has everything up to there; what is written meanwhile is another matter."""
    with standby.connect("postgres") as c:
        return c.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (place,)).fetchone() == (True,)


def promote(server: PostgresServer) -> None:
    """As `pg_ctlcluster 15 main promote` does; back when it takes what is written."""
    subprocess.run(
        [programs() / "pg_ctl", "promote", "-D", server.data, "--wait"],
        check=True, capture_output=True, user=server.user, group=server.user, cwd=server.data.parent,
    )  # fmt: skip
