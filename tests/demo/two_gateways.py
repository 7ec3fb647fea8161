"""Two gateways in place of the demo's one: behind nginx, which gives each request to the other one, on stores that they share."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from demo.hospital import Hospital
from demo.ports import free_port
from tests.chaos.balancer import balancer
from tests.counterparts import postgres, redis_servers
from tests.counterparts.postgres import PostgresServer
from tests.counterparts.redis_servers import RedisServer
from tests.gateway.audit.accesses import events

_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Stores:
    """What the gateways share. `redis` is flushed first, `database` is a new one of this name."""

    server: PostgresServer
    database: str
    redis: RedisServer | None = None
    program: Sequence[str] = ("gateway.cli",)

    @contextlib.contextmanager
    def gateways(self, place: Hospital) -> Iterator[None]:
        """Two of them, from the demo's own configuration."""
        self.server.new_database(self.database)
        if self.redis is not None:
            with contextlib.closing(self.redis.client()) as client:
                client.flushall()
        with contextlib.ExitStack() as running:
            alone = tomllib.loads(place.config.read_text("utf-8"))
            made = [running.enter_context(self._gateway(place, alone, letter)) for letter in "ab"]
            ports = [int(one["gateway"]["listen"].partition(":")[2]) for one in made]
            running.enter_context(balancer(place.folder, place.port, ports, alternating=True))
            place.others = (_path(place, "b"),)
            place.arrived = lambda: self._arrived(place)
            yield

    @contextlib.contextmanager
    def _gateway(self, place: Hospital, alone: dict[str, Any], letter: str) -> Iterator[dict[str, Any]]:
        config, path = self._configured(place, alone, letter), _path(place, letter)
        path.write_text(tomli_w.dumps(config))
        with path.with_suffix(".log").open("wb") as log:
            command = [sys.executable, "-m", *self.program, "serve", "--config", str(path)]
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                _ready(process, config["gateway"]["ops_listen"], path.with_suffix(".log"))
                yield config
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def _configured(self, place: Hospital, alone: dict[str, Any], letter: str) -> dict[str, Any]:
        gateway = alone["gateway"] | {
            "name": f"gateway-{letter}",
            "listen": f"127.0.0.1:{free_port()}",
            "ops_listen": f"127.0.0.1:{free_port()}",
            "data_dir": str(place.folder / f"data-{letter}"),
            "trusted_proxies": ["127.0.0.1/32"],
            "database_url": self.server.url(self.database),
            "database_password": _secret(place.folder / "database.password", postgres.PASSWORD),
        }
        if self.redis is not None:
            password = _secret(place.folder / "redis.password", redis_servers.PASSWORD)
            gateway |= {"redis_url": self.redis.url, "redis_password": password}
        return alone | {"gateway": gateway}

    def _arrived(self, place: Hospital) -> None:
        """What both have written, and the command line beside them, is in the central journal."""
        written = sum(len(events(place.folder / f"data-{letter}")) for letter in "ab")
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with self.server.connect(self.database) as c:
                row = c.execute("SELECT count(*) FROM journal.event").fetchone()
            assert row is not None
            if int(str(row[0])) >= written:
                return
            time.sleep(0.05)
        raise RuntimeError("the central journal does not hold what was written")


def _path(place: Hospital, letter: str) -> Path:
    """The first has the place of the one that it stands for: the command line is asked there."""
    return place.config if letter == "a" else place.folder / f"gateway-{letter}.toml"


def _secret(path: Path, text: str) -> dict[str, str]:
    path.touch(0o600)
    path.write_text(text)
    return {"file": str(path)}


def _ready(process: subprocess.Popen[bytes], ops: str, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://{ops}/readyz", timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"a gateway did not start: {log.read_text().strip()[-800:]}")
