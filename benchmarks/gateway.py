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
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from demo.ports import free_port
from gateway.config import Config, load
from sso.seal import new_key

from .seats import SHIFTS, credentials, routes, script, seat

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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def figure(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        return float("nan")


@contextlib.contextmanager
def lanyard(
    folder: Path, to: int, *, issuer: str = "http://127.0.0.1:1", name: str = "lanyard", shifts: int = SHIFTS
) -> Iterator[Bench]:
    """`to`: the upstream's port; `shifts`: how many are seated before it starts. Where none is, people sign on, behind a proxy
    that says which device asks."""
    place = folder / name
    place.mkdir()
    port, ops = free_port(), free_port()
    path = place / "lanyard.toml"
    path.write_text(tomli_w.dumps(_config(place, port, ops, to, issuer, proxied=shifts == 0)))
    config: Config = load(path, {})
    host = config.host_of(config.systems[0])
    (place / "pas.credentials").write_text(credentials(config))
    cookies = seat(config, host, shifts)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(path)]
    with (place / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _ready(running, ops, place / "log")
        long = {dest: script(place, cookies, host, path="/long/", dest=dest) for dest in ("document", "empty")}
        usual = script(place, cookies, host)
        yield Bench(port, config.gateway.public_url, usual, running, path, ops, long["document"], long["empty"])
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(15)


def _config(place: Path, port: int, ops: int, to: int, issuer: str, *, proxied: bool) -> dict[str, object]:
    for name in ("seal", "journal"):
        (place / f"{name}.key").write_text(new_key())
    (place / "secret").write_text("not used by the bench")
    return {
        "gateway": {"public_url": f"http://records.localhost:{port}", "listen": f"127.0.0.1:{port}", "ops_listen": f"127.0.0.1:{ops}",
                    "data_dir": str(place / "data"), "trusted_proxies": ["127.0.0.1/32"] if proxied else []},
        "keys": {name: {"file": str(place / f"{name}.key")} for name in ("seal", "journal")},
        "sso": {"issuer": issuer, "client_id": "bench", "client_secret": {"file": str(place / "secret")}, "recheck": "12h",
                "claims": {"roles": "roles"}},
        "audit": {"reserve": "256MiB", "segment": "64MiB"},
        "zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site"}],
        "systems": [{"name": "pas", "title": "Bench", "connector": "webform", "upstream": f"http://127.0.0.1:{to}",
                     "credentials": str(place / "pas.credentials"), "options": OPTIONS | {"routes": routes()}}],
    }  # fmt: skip


def _ready(running: subprocess.Popen[bytes], ops: int, log: Path) -> None:
    for _ in range(400):
        if running.poll() is not None:
            raise RuntimeError(f"the gateway ended: {log.read_text()[-1000:]}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ops}/readyz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            continue
        return
    raise RuntimeError("the gateway is not ready")
