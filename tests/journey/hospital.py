"""A hospital for tests: the certified provider, whatever systems a test brings, and `lanyard serve` in front as its own process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from demo.ports import free_port
from gateway import cli
from gateway.config import load
from gateway.credentials import seal_credentials
from sso.seal import Seal, new_key
from tests.counterparts import provider

from .browser import Browser, Page


@dataclass
class Hospital:
    """A configuration on disk and the gateway that runs on it."""

    folder: Path
    port: int
    ops_port: int
    issuer: str
    config: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)
    program: tuple[str, ...] = ("gateway.cli",)  # the module that is run, and what it is told before `serve`
    stop_provider: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return str(self.config["gateway"]["public_url"])

    def system_url(self, name: str) -> str:
        return self.url.replace("://", f"://{name}.")

    @property
    def path(self) -> Path:
        return self.folder / "lanyard.toml"

    def write(self) -> None:
        self.path.write_text(tomli_w.dumps(self.config))

    def start(self) -> None:
        self.begin()
        self.wait()

    def begin(self) -> None:
        """The gateway's process; `wait` is for its being ready."""
        log = self.folder / f"gateway-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as out:
            command = [sys.executable, "-m", *self.program, "serve", "--config", str(self.path)]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)

    def wait(self) -> None:
        """Raises RuntimeError where it does not become ready."""
        log, until = self.logs[-1], time.monotonic() + 60
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended: {log.read_text()}")
            if _ready(self.ops_port):
                return
            time.sleep(0.03)
        raise RuntimeError(f"the gateway is not ready: {log.read_text()}")

    def stop(self, how: int = signal.SIGTERM) -> int:
        """By a signal to the parent; what nobody can hear, to the parent and all workers at once."""
        assert self.process is not None
        if how == signal.SIGKILL:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        return self.process.wait(60)

    @property
    def workers(self) -> dict[int, int]:
        """The process of each worker, by its number."""
        return {int(number): parts["pid"] for number, parts in self.ready()[1]["workers"].items()}

    @property
    def worker(self) -> int:
        """The process of the first worker."""
        return self.workers[1]

    def ready(self) -> tuple[int, dict[str, Any]]:
        """What `/readyz` says: status, and the state of each part."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/readyz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def lanyard(self, *arguments: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        """The command line, on this hospital's configuration."""
        command = [sys.executable, "-m", "gateway.cli", *arguments, "--config", str(self.path)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=within)

    def events(self, **wanted: str) -> list[dict[str, Any]]:
        """Events from the journal, oldest first, by `lanyard audit search`."""
        options = [f"--{name}={value}" for name, value in wanted.items()]
        _, said = _told("audit", "search", "--json", "--limit=100000", *options, "--config", str(self.path))
        return [json.loads(line) for line in said.splitlines()][::-1]

    def verified(self) -> bool:
        """Whether `lanyard audit verify` finds the journal whole."""
        return _told("audit", "verify", "--config", str(self.path))[0] == 0

    def log(self) -> str:
        return "".join(path.read_text() for path in self.logs)

    def sign_on(self, browser: Browser, login: str, *, otp: str = provider.OTP) -> Page:
        """Through the gateway's page and the provider's form, as a person would; the page that it ends on."""
        page = browser.get(f"{self.url}/")
        assert page.url.startswith(f"{self.url}/sign-on"), page.url
        form = browser.submit(page)
        assert form.url.startswith(self.issuer), form.text
        return browser.submit(form, login=login, password=provider.USERS[login]["password"], otp=otp)


def _told(*arguments: str) -> tuple[int, str]:
    """What the command line ends with, and prints. In a thread of this process: one of its own takes a second to begin."""
    said = io.StringIO()
    with ThreadPoolExecutor(1) as beside, contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        code = beside.submit(cli.main, arguments).result(60)
    return code, said.getvalue()


def _ready(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).close()
    except OSError:
        return False
    return True


def system(name: str, connector: str, upstream: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "title": name.capitalize(), "connector": connector, "upstream": upstream, **more}


@contextlib.contextmanager
def hospital(
    folder: Path,
    systems: list[dict[str, Any]],
    *,
    credentials: dict[str, dict[str, tuple[str, str]]] | None = None,
    started: bool = True,
    tls: tuple[Path, Path] | None = None,
    registered: dict[str, Any] | None = None,
    **tables: dict[str, Any],
) -> Iterator[Hospital]:
    """`credentials`: for each system, from login to (user name, password) there. `tls`: certificate and key, for https.

    `registered`: what the provider knows of this client otherwise than usual.
    """
    port, ops_port = free_port(), free_port()
    public = f"{'https' if tls else 'http'}://records.localhost:{port}"
    redirect = f"{public}/sign-on/callback"
    usual: dict[str, Any] = {
        "post_logout_redirect_uris": [f"{public}/signed-off"],
        "backchannel_logout_uri": f"http://127.0.0.1:{port}/backchannel-logout",
    }
    client = provider.client("lanyard", redirect, **{**usual, **(registered or {})})
    with contextlib.ExitStack() as providing:
        op = providing.enter_context(provider.oidc_provider([client]))
        for name in ("seal", "journal"):
            (folder / f"{name}.key").write_text(new_key())
        (folder / "client.secret").write_text(provider.secret_of("lanyard"))
        config: dict[str, Any] = {
            "gateway": {
                "public_url": public,
                "listen": f"127.0.0.1:{port}",
                "ops_listen": f"127.0.0.1:{ops_port}",
                "data_dir": str(folder / "data"),
            },
            "keys": {name: {"file": str(folder / f"{name}.key")} for name in ("seal", "journal")},
            "sso": {
                "issuer": op.issuer,
                "client_id": "lanyard",
                "client_secret": {"file": str(folder / "client.secret")},
                "scopes": ["profile", "clinical"],
                "claims": {"roles": "roles"},
            },
            "audit": {"reserve": "16MiB", "segment": "2MiB"},
            "zones": [{"name": "ward", "cidrs": ["127.0.0.0/8"], "posture": "on-site"}],
            "systems": systems,
        }
        if tls:
            config["gateway"] |= {"tls_cert": str(tls[0]), "tls_key": str(tls[1])}
        for table, changes in tables.items():
            config[table] = {**config.get(table, {}), **changes}
        place = Hospital(folder, port, ops_port, op.issuer, config, stop_provider=providing.close)
        _seal_credentials(place, credentials or {})
        place.write()
        if started:
            place.start()
        try:
            yield place
        finally:
            if place.process is not None and place.process.poll() is None:
                place.stop()


def _seal_credentials(place: Hospital, credentials: dict[str, dict[str, tuple[str, str]]]) -> None:
    seal = Seal.of((place.folder / "seal.key").read_bytes())
    for name, people in credentials.items():
        entries = [
            {"issuer": place.issuer, "subject": login, "username": user, "secret": secret}
            for login, (user, secret) in people.items()
        ]
        path = place.folder / f"{name}.credentials"
        path.write_text(seal_credentials(json.dumps(entries).encode(), name, seal))
        next(s for s in place.config["systems"] if s["name"] == name)["credentials"] = str(path)


def check(place: Hospital) -> None:
    """The configuration that a test wrote is a good one."""
    load(place.path, {k: v for k, v in os.environ.items() if not k.startswith("LANYARD_")})
