"""Redis for tests: one server, or a primary with its replica and three sentinels. Each is killed, stopped or slowed by whoever wants to."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis

from demo.ports import free_port

from .own_process import OwnProcess
from .processes import missing

PASSWORD = "only-for-tests"
MASTER = "gw"


@dataclass
class RedisServer(OwnProcess):
    password: str = PASSWORD

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A plain client beside whatever is tested; a character is a byte, whatever it is."""
        return redis.Redis(port=self.port, password=self.password or None, decode_responses=True, encoding="latin-1")

    def answers(self) -> bool:
        try:
            with contextlib.closing(self.client()) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def begin(self) -> None:
        self.start(self.answers)


def _server(folder: Path, *options: str, port: int = 0, policy: str = "noeviction") -> RedisServer:
    if not shutil.which("redis-server"):
        missing("redis-server", command="redis-server")
    port = port or free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
               "--appendonly", "no", "--daemonize", "no", "--maxmemory-policy", policy,
               "--requirepass", PASSWORD, "--masterauth", PASSWORD, *options]  # fmt: skip
    return RedisServer(command, port, folder / f"redis-{port}.log")


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, policy: str = "noeviction") -> Iterator[RedisServer]:
    """One server, with a password; `options` as on its command line."""
    server = _server(folder, *options, policy=policy)
    try:
        server.begin()
        yield server
    finally:
        server.stop()


@dataclass
class Sentinels:
    """A primary, a replica, and three sentinels that call the primary `gw`."""

    primary: RedisServer
    replica: RedisServer
    sentinels: list[OwnProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{places}/{MASTER}/0"

    def master_port(self) -> int:
        """Which of the two is the primary now, as the sentinels say."""
        with contextlib.closing(redis.Redis(port=self.sentinels[0].port, decode_responses=True)) as client:
            found = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        return int(found[1])

    def fail_over(self) -> None:
        """As an operator orders it: the replica is promoted, whether it has heard everything or not."""
        with contextlib.closing(redis.Redis(port=self.sentinels[0].port, decode_responses=True)) as client:
            client.execute_command("SENTINEL", "FAILOVER", MASTER)


@contextlib.contextmanager
def sentinels(folder: Path) -> Iterator[Sentinels]:
    if not shutil.which("redis-sentinel"):
        missing("redis-sentinel", command="redis-sentinel")
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(redis_server(folder))
        replica = stack.enter_context(redis_server(folder, "--replicaof", "127.0.0.1", str(primary.port)))
        made = Sentinels(primary, replica)
        for _ in range(3):
            port = free_port()
            settings = folder / f"sentinel-{port}.conf"
            settings.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {MASTER} 127.0.0.1 {primary.port} 2\n"
                f"sentinel auth-pass {MASTER} {PASSWORD}\nsentinel down-after-milliseconds {MASTER} 1000\n"
                f"sentinel failover-timeout {MASTER} 3000\nsentinel parallel-syncs {MASTER} 1\n"
            )
            one = OwnProcess(["redis-sentinel", str(settings)], port, folder / f"sentinel-{port}.log")
            stack.callback(one.stop)
            one.start()
            made.sentinels.append(one)
        yield made
