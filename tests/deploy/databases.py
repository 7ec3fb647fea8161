"""db1 and db2 of the rehearsal: a primary and its standby, with the files and by the commands of docs/deployment.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.counterparts.postgres import PASSWORD, PostgresServer, postgres_server
from tests.counterparts.standby import has, promote, reached, standby_of

from .ground import DATABASES, HUB, run, until
from .shipped import FILES


@dataclass
class Databases:
    """Both run in the hub's own network; each has its address there for as long as it has power."""

    db1: PostgresServer
    db2: PostgresServer

    def wait_for_standby(self) -> None:
        place = reached(self.db1)
        until(lambda: has(self.db2, place), "the standby has everything")

    def fall_behind(self) -> None:
        """db2 hears nothing any more of what db1 acknowledges."""
        with self.db1.connect("postgres") as c:
            c.execute("ALTER ROLE replication NOLOGIN")
            c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")

    def lose_primary(self) -> None:
        """No word to anybody."""
        run("ip", "address", "del", f"{DATABASES[0]}/24", "dev", "br0")
        self.db1.kill()

    def promote(self) -> None:
        promote(self.db2)

    def switch_primary_on_again(self) -> None:
        """By somebody who has not read that it must stay gone."""
        run("ip", "address", "add", f"{DATABASES[0]}/24", "dev", "br0")
        self.db1.begin()

    def asked_at(self, server: PostgresServer) -> int:
        """How many connections gateways have there."""
        with server.connect("postgres") as c:
            row = c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lanyard%'").fetchone()
        assert row is not None
        return int(str(row[0]))


@contextlib.contextmanager
def databases(folder: Path, tls: Path) -> Iterator[Databases]:
    """TLS and only the machines that the shipped lines name, and this one for the test itself."""
    rules = folder / "pg_hba.conf"
    here = f"host all all 127.0.0.1/32 scram-sha-256\nhostssl replication replication {HUB}/32 scram-sha-256\n"
    rules.write_text(here + (FILES / "postgresql/pg_hba.conf").read_text())
    secured = f"ssl_cert_file={tls}/db.crt", f"ssl_key_file={tls}/db.key", f"hba_file={rules}"
    settings = ("listen_addresses=*", "ssl=on", "wal_level=replica", "synchronous_standby_names=", *secured)
    with postgres_server(*settings) as db1:
        with db1.connect("postgres") as c:
            c.execute(f"CREATE ROLE replication LOGIN REPLICATION PASSWORD '{PASSWORD}'")
        with standby_of(db1, *settings, host=DATABASES[0], user="replication") as db2:
            yield Databases(db1, db2)
