"""Lanyard as the bench runs it: policy on, durable journal on, one system with fifty routes in front of the upstream."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from demo.ports import free_port
from gateway.config import Config, load
from sso.seal import new_key

from .measure import cpu_seconds
from .seats import SHIFTS, credentials, routes, script, seat
from .stores import Stores

# The upstream's login page is nginx's too: every shift has a log-on of its own there, as in a hospital.
OPTIONS = {
    "login_page": "/login",
    "username_field": "user",
    "password_field": "word",
    "success": {"status": 302, "location": "/home"},
    "failure": {"status": 403},
    "logged_off": {"status": 302, "location": "/login"},
}


@dataclass(frozen=True)
class Bench:
    """A running gateway and how to load it."""

    port: int
    public_url: str
    script: Path
    process: subprocess.Popen[bytes]
    config: Path
    ops: int
    pages: Path  # wrk's script for long pages, navigated to: the guard script goes in as they stream
    data: Path  # the same bytes, asked for by a page's script: nothing goes in
    host: str = ""  # of the system
    cookies: list[str] = field(default_factory=list)  # of the shifts that were seated, at the system

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def figure(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        return float("nan")


@dataclass(frozen=True)
class Place:
    """`stores`: None: a file of its own. `beside`: the configuration of a gateway whose keys, address and credentials it shares."""

    issuer: str = "http://127.0.0.1:1"
    name: str = "lanyard"
    shifts: int = SHIFTS
    workers: int = 1
    stores: Stores | None = None
    beside: Path | None = None


@contextlib.contextmanager
def lanyard(folder: Path, to: int, at: Place = Place()) -> Iterator[Bench]:
    """`to`: the upstream's port; `shifts`: how many are seated before it starts. Where none is, and no other gateway is beside, people
    sign on, behind a proxy that says which device asks."""
    place = folder / at.name
    place.mkdir()
    port, ops = free_port(), free_port()
    path = place / "lanyard.toml"
    path.write_text(tomli_w.dumps(_config(place, port, ops, to, at)))
    config: Config = load(path, {})
    host = config.host_of(config.systems[0])
    if at.beside is None:
        (place / "pas.credentials").write_text(credentials(config, at.shifts))
    cookies = seat(config, host, at.shifts)
    with _served(path, ops, place / "log") as running:
        long = {dest: script(place, cookies, host, path="/long/", dest=dest) for dest in ("document", "empty")}
        usual = script(place, cookies, host)
        yield Bench(
            port, config.gateway.public_url, usual, running, path, ops, long["document"], long["empty"], host, cookies
        )


@contextlib.contextmanager
def _served(config: Path, ops: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    with log.open("wb") as said:
        running = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        _ready(running, ops, log)
        settled(running.pid)
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)


def _config(place: Path, port: int, ops: int, to: int, at: Place) -> dict[str, object]:
    shared = at.beside.parent if at.beside is not None else place
    public_url = load(at.beside, {}).gateway.public_url if at.beside is not None else f"http://records.localhost:{port}"
    proxied = at.shifts == 0 and at.beside is None
    if at.beside is None:
        for name in ("seal", "journal"):
            (place / f"{name}.key").write_text(new_key())
        (place / "secret").write_text("not used by the bench")
    return {
        "gateway": {"public_url": public_url, "listen": f"127.0.0.1:{port}", "ops_listen": f"127.0.0.1:{ops}", "name": at.name,
                    "workers": at.workers, "data_dir": str(place / "data"),
                    "trusted_proxies": ["127.0.0.1/32"] if proxied else [],
                    **(at.stores.settings() if at.stores is not None else {})},
        "keys": {name: {"file": str(shared / f"{name}.key")} for name in ("seal", "journal")},
        "sso": {"issuer": at.issuer, "client_id": "bench", "client_secret": {"file": str(shared / "secret")}, "recheck": "12h",
                "claims": {"roles": "roles"}},
        "audit": {"reserve": "256MiB", "segment": "64MiB"},
        "zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site"}],
        "systems": [{"name": "pas", "title": "Bench", "connector": "webform", "upstream": f"http://127.0.0.1:{to}",
                     "credentials": str(shared / "pas.credentials"), "options": OPTIONS | {"routes": routes()}}],
    }  # fmt: skip


def settled(pid: int) -> None:
    """Until its processes rest: one that stands by for the next configuration is still beginning when the first serves."""
    for _ in range(60):
        used = cpu_seconds(pid)
        time.sleep(0.5)  # the time over which it is looked at
        if cpu_seconds(pid) - used < 0.05:
            return
    raise RuntimeError("the gateway does not come to rest")


def _ready(running: subprocess.Popen[bytes], ops: int, log: Path) -> None:
    for _ in range(2400):  # two minutes: others may use the machine
        if running.poll() is not None:
            raise RuntimeError(f"the gateway ended: {log.read_text()[-1000:]}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ops}/readyz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            continue
        return
    raise RuntimeError("the gateway is not ready")
