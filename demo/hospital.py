"""`lanyard demo`: the pretend hospital and a gateway in front of it, through the product's public interface only.

Writes an ordinary `lanyard.toml`, runs `lanyard serve` on it, and stops everything at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from .archive import Archive, password_of
from .epr import Epr
from .orders import AUDIENCE, HEADER, Orders
from .pas import Pas
from .people import USERS, User, patients
from .ports import free_port
from .provider import Provider
from .records import Records

TOML = """\
[gateway]
public_url = "http://records.localhost:{port}"
listen = "127.0.0.1:{port}"
ops_listen = "127.0.0.1:{ops}"
data_dir = "{dir}/data"

[keys]
seal = {{ file = "{dir}/seal.key" }}
journal = {{ file = "{dir}/journal.key" }}

[sso]
issuer = "{issuer}"
client_id = "lanyard"
client_secret = {{ file = "{dir}/client.secret" }}
scopes = ["profile"]
claims = {{ roles = "groups", organisation = "organisation" }}
step_up_acr_values = ["aal3"]

[audit]
reserve = "64MiB"
segment = "8MiB"

[devices]
mode = "enforce"

[badges]
enabled = true

[[zones]]
name = "hospital"
cidrs = ["127.0.0.0/8"]
posture = "on-site"
idle = "30m"

[[zones]]
name = "outside"
cidrs = ["127.0.9.0/24"]
posture = "off-site"

[[systems]]
name = "epr"
title = "Electronic patient record"
connector = "fhir"
upstream = "http://127.0.0.1:{epr}"
start = "/viewer/"
helpdesk = "EPR desk, extension 2222"
options = {{ base = "fhir", pages = "/viewer/", auth = "bearer", token = {{ file = "{dir}/epr.token" }} }}

[[systems]]
name = "pas"
title = "Patient administration (old)"
connector = "webform"
upstream = "http://127.0.0.1:{pas}"
start = "/pas/main"
helpdesk = "PAS desk, extension 3333"
credentials = "{dir}/pas.credentials"

[systems.options]
charset = "windows-1252"
login_page = "/pas/login"
form = "logon"
username_field = "userid"
password_field = "pwd"
success = {{ status = 302, location = "/pas/main" }}
failure = {{ text = ["Invalid logon", "User locked out"] }}
logged_off = {{ text = ["name=\\"pwd\\""] }}
log_off = {{ path = "/pas/logoff" }}
routes = [
  {{ id = "style", path = "/pas/style.css", asset = true }},
  {{ id = "frames", path = "/pas/main", kind = "page" }},
  {{ id = "menu", path = "/pas/menu", kind = "page" }},
  {{ id = "overview", path = "/pas/übersicht", kind = "page" }},
  {{ id = "work-list", methods = ["GET", "HEAD", "POST"], path = "/pas/worklist", action = "list", kind = "list", changing = false, patient = {{ in = "answer", pattern = "name=.hosp. value=.(H[0-9]+)" }} }},
  {{ id = "select", methods = ["POST"], path = "/pas/select", action = "read", kind = "demographics", changing = true, patient = {{ in = "form", name = "hosp" }} }},
  {{ id = "by-number", path = "/pas/patient", action = "read", kind = "demographics", changing = true, patient = {{ in = "query", name = "hosp" }}, parameters = ["hosp"] }},
  {{ id = "summary", methods = ["GET", "HEAD", "POST"], path = "/pas/summary", action = "read", kind = "demographics", patient = {{ in = "answer", pattern = "Hosp No: (H[0-9]+)" }} }},
  {{ id = "report", methods = ["GET", "HEAD", "POST"], path = "/pas/report", action = "export", kind = "demographics", patient = {{ in = "answer", pattern = "Hosp No: (H[0-9]+)" }} }},
  {{ id = "notes", methods = ["GET", "HEAD", "POST"], path = "/pas/notes", action = "read", kind = "note", patient = {{ in = "answer", pattern = "Hosp No: (H[0-9]+)" }} }},
  {{ id = "save-note", methods = ["POST"], path = "/pas/notes/save", action = "write", kind = "note", patient = {{ in = "answer", pattern = "Hosp No: (H[0-9]+)" }} }},
  {{ id = "appointments", methods = ["GET", "HEAD", "POST"], path = "/pas/appointments", action = "read", kind = "appointment", patient = {{ in = "answer", pattern = "Hosp No: (H[0-9]+)" }} }},
]

[[systems]]
name = "orders"
title = "Order entry"
connector = "header"
upstream = "http://127.0.0.1:{orders}"
helpdesk = "Laboratory desk, extension 4444"

[systems.options]
assertion = "{header}"
audience = "{audience}"
unnamed = "refuse"
routes = [
  {{ id = "patients", path = "/", action = "list", kind = "list", patient = {{ in = "answer", pattern = "/orders/(H[0-9]+)" }} }},
  {{ id = "orders", path = "/orders/{{hosp}}", action = "read", kind = "order", patient = {{ in = "path", name = "hosp" }} }},
]

[[systems]]
name = "archive"
title = "Image archive"
connector = "basic"
upstream = "http://127.0.0.1:{archive}"
helpdesk = "Imaging desk, extension 5555"
credentials = "{dir}/archive.credentials"

[systems.options]
scheme = "basic"
unnamed = "refuse"
routes = [
  {{ id = "latest", path = "/", action = "list", kind = "list", patient = {{ in = "answer", pattern = "/studies/(H[0-9]+)" }} }},
  {{ id = "studies", path = "/studies/{{hosp}}", action = "read", kind = "imaging", patient = {{ in = "path", name = "hosp" }} }},
]

[[systems]]
name = "planner"
title = "Theatre planner"
connector = "launch"
helpdesk = "Theatre desk, extension 6666"
options = {{ address = "theatreplanner://open?user={{account}}", at_patient = "theatreplanner://patient/{{nhs_number}}" }}
"""


@dataclass
class Hospital:
    folder: Path
    port: int
    ops: int
    issuer: str
    pas: Pas
    epr: Epr
    gateway: subprocess.Popen[bytes] | None = None
    stop_pas: Callable[[], None] = lambda: None
    others: tuple[Path, ...] = ()  # configurations of further gateways, each with a journal of its own
    arrived: Callable[[], None] = lambda: None  # waits until all that was journalled can be searched

    @property
    def url(self) -> str:
        return f"http://records.localhost:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "lanyard.toml"

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"


@contextlib.contextmanager
def servers(apps: dict[int, Any]) -> Iterator[dict[int, uvicorn.Server]]:
    """ASGI apps on their ports, in one thread beside us; each can be told to exit."""
    running = [
        uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False, lifespan="off"))
        for port, app in apps.items()
    ]

    async def serve() -> None:
        await asyncio.gather(*(server._serve() for server in running))

    thread = Thread(target=lambda: asyncio.run(serve()), name="pretend-hospital", daemon=True)
    thread.start()
    while not all(server.started for server in running):
        if not thread.is_alive():
            raise RuntimeError("the pretend hospital could not start: are its ports free?")
        time.sleep(0.02)
    try:
        yield dict(zip(apps, running, strict=True))
    finally:
        for server in running:
            server.should_exit = True
        thread.join(5)


@contextlib.contextmanager
def hospital(
    port: int,
    records: Records | None = None,
    *,
    say: Any = lambda text: None,
    pas_idle: float = 60.0,
    program: Sequence[str] = ("gateway.cli",),
    gateways: Callable[[Hospital], contextlib.AbstractContextManager[None]] | None = None,
) -> Iterator[Hospital]:
    """Everything up and ready: provider, EPR, PAS, gateway. Raises RuntimeError naming what did not start.

    `program`: the module that is run as the gateway, and its first arguments. `gateways`: runs other ones in place of it, at the
    same port, by the configuration that has been written.
    """
    folder = Path(tempfile.mkdtemp(prefix="lanyard-demo-"))
    people = records.people() if records else patients()
    op_port, epr_port, pas_port, orders_port, archive_port, ops = (free_port() for _ in range(6))
    public, issuer = f"http://records.localhost:{port}", f"http://127.0.0.1:{op_port}"
    secret, token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    provider = Provider(
        issuer,
        "lanyard",
        secret,
        f"{public}/sign-on/callback",
        f"{public}/signed-off",
        f"http://127.0.0.1:{port}/backchannel-logout",
    )
    epr = Epr(records or Records.invented(people), f"http://127.0.0.1:{epr_port}", token)
    pas = Pas(people, USERS, idle=pas_idle)
    keys = f"http://127.0.0.1:{port}/.well-known/jwks.json", f"records.localhost:{port}"
    orders, archive = Orders(people, public, keys), Archive(people, USERS)
    place = Hospital(folder, port, ops, issuer, pas, epr)
    try:
        say("identity provider and clinical systems")
        apps = {
            op_port: provider.app(),
            epr_port: epr.app(),
            pas_port: pas.app(),
            orders_port: orders.app(),
            archive_port: archive.app(),
        }
        with servers(apps) as running:
            place.stop_pas = lambda: setattr(running[pas_port], "should_exit", True)
            say("keys, secrets and lanyard.toml")
            for name, value in (("client.secret", secret), ("epr.token", token)):
                _private(folder / name, value)
            for name in ("seal.key", "journal.key"):
                _private(folder / name, lanyard("key", "new").stdout)
            place.config.write_text(
                configuration(
                    folder, issuer, port=port, ops=ops, epr=epr_port, pas=pas_port, orders=orders_port, archive=archive_port
                ),
                "utf-8",
            )  # fmt: skip
            _kept(place, "pas", {u: u.pas_password for u in USERS if not u.first_day})
            _kept(place, "archive", {u: password_of(u) for u in USERS})
            say("lanyard check")
            lanyard("check", "--config", str(place.config), "--live")
            say("lanyard serve")
            with gateways(place) if gateways else _gateway(place, program):
                yield place
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def configuration(folder: Path | str, issuer: str, **ports: int) -> str:
    """The gateway's, by the ports `port`, `ops` and those of the systems; 1 where one is left out."""
    known = dict.fromkeys(("port", "ops", "epr", "pas", "orders", "archive"), 1) | ports
    return TOML.format(dir=folder, issuer=issuer, header=HEADER, audience=AUDIENCE, **known)


def _kept(place: Hospital, system: str, passwords: Mapping[User, str]) -> None:
    """The log-ons of these people at a system, sealed by the product's own command."""
    cards = [
        {"issuer": place.issuer, "subject": user.login, "username": user.pas_user, "secret": password}
        for user, password in passwords.items()
    ]
    sealed = lanyard("key", "seal-credentials", system, "--config", str(place.config), given=json.dumps(cards))
    _private(place.folder / f"{system}.credentials", sealed.stdout)


def lanyard(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The product's own command line. Raises RuntimeError with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"lanyard {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


@contextlib.contextmanager
def _gateway(place: Hospital, program: Sequence[str]) -> Iterator[None]:
    with place.log.open("wb") as log:
        command = [sys.executable, "-m", *program, "serve", "--config", str(place.config)]
        place.gateway = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _ready(place)
            yield
        finally:
            place.gateway.send_signal(signal.SIGTERM)
            try:
                place.gateway.wait(10)
            except subprocess.TimeoutExpired:
                place.gateway.kill()


def _ready(place: Hospital) -> None:
    assert place.gateway is not None
    for _ in range(1200):
        if place.gateway.poll() is not None:
            raise RuntimeError(f"the gateway did not start: {place.log.read_text().strip()[-800:]}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{place.ops}/readyz", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
            continue
        return
    raise RuntimeError("the gateway is not ready after a minute")


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
