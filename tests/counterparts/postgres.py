"""PostgreSQL for tests: a cluster of its own in a temporary folder, as a user of its own where we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from demo.ports import free_port

from .own_process import OwnProcess
from .processes import missing
from .small_disk import small_disk

USER, PASSWORD = "lanyard", "only-for-tests"
_FAST = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
)  # nothing that these tests show is a power cut's


@dataclass
class PostgresServer(OwnProcess):
    data: Path = Path()

    def url(self, database: str = "lanyard") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "lanyard") -> psycopg.Connection[tuple[object, ...]]:
        """A plain connection beside whatever is tested; each statement by itself."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def dsn(self, database: str = "lanyard") -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} password={PASSWORD} dbname={database} connect_timeout=2"

    def new_database(self, name: str) -> str:
        """An empty one; its URL."""
        with self.connect() as c:
            c.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn("postgres")):
                return True
        except psycopg.Error:
            return False

    def begin(self) -> None:
        self.start(self.answers)

    def signal(self, number: int) -> None:
        """Each of its processes has a group of its own: a server that stands still, or is dead, is all of them."""
        if number == signal.SIGTERM:
            number = signal.SIGINT  # which waits for nobody who is connected
        assert self.process is not None
        for pid in [self.process.pid, *(self._children() if number != signal.SIGINT else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _children(self) -> list[int]:
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def programs() -> Path:
    """Where Debian keeps the server's own programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if (own := shutil.which("initdb")) is not None:
        return Path(own).parent
    missing("postgresql", command="initdb")
    raise AssertionError("missing() does not come back")


@contextlib.contextmanager
def own_folder() -> Iterator[tuple[Path, str | None]]:
    """For one server, and whose it is: PostgreSQL does not run as root."""
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def begun(folder: Path, user: str | None, *options: str, durable: bool = False) -> Iterator[PostgresServer]:
    """The server of `folder/data`, on a port of its own, until the block ends."""
    port = free_port()
    settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "shared_buffers=64MB", *options)
    command = ["env", f"HOME={folder}", str(programs() / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    command += [word for one in (*settings, *(() if durable else _FAST)) for word in ("-c", one)]
    server = PostgresServer(command, port, folder / "log", user, folder / "data")
    try:
        server.begin()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def postgres_server(*options: str, durable: bool = False, room: str = "") -> Iterator[PostgresServer]:
    """A server with a database `lanyard` of a user `lanyard`, who may make more. `options` as `name=value`; `durable`: it syncs;
    `room`: how large its disk is, where it has one of its own."""
    with own_folder() as (folder, user), small_disk(folder / "data", room) if room else contextlib.nullcontext():
        if room and user is not None:
            os.chown(folder / "data", pwd.getpwnam(user).pw_uid, -1)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [programs() / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}",
             "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
            check=True, capture_output=True, user=user, group=user, cwd=folder,
        )  # fmt: skip
        with begun(folder, user, *options, durable=durable) as server:
            with server.connect("postgres") as c:
                c.execute("CREATE DATABASE lanyard")
            yield server
