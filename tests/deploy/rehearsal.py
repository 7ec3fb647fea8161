"""What two operators would see: the two machines of deploy/two-machines, begun, one lost, brought back, both upgraded.

Run by `test_two_machines.py` as a process of its own, in namespaces of its own. The files are used as they stand, with other
folders. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import ssl
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import tomli_w

from sso.seal import new_key
from tests.counterparts import postgres, provider
from tests.journey.browser import Browser, Page

from .authority import Authority
from .ground import DATABASE, HUB, SHARED, Machine, lay, until
from .load import Load

FILES = Path(__file__).parents[2] / "deploy" / "two-machines"
FOLDER = Path("/mnt")  # of this namespace alone: keepalived runs no script out of a folder that others may write to
PUBLIC, EPR = "records.example.nhs.uk", "epr.records.example.nhs.uk"
HOSTS = {
    PUBLIC: SHARED,
    EPR: SHARED,
    "login.example.nhs.uk": HUB,
    "db.lanyard.internal": DATABASE,
}


@contextlib.contextmanager
def record_system(written: Counter[str]) -> Iterator[str]:
    """A FHIR server that counts what is written."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._say(200, {"resourceType": "Patient", "id": self.path.rpartition("/")[2]})

        def do_POST(self) -> None:
            taken = json.loads(self.rfile.read(int(self.headers["content-length"])))
            written[taken["id"]] += 1
            self._say(201, taken)

        def _say(self, status: int, what: dict[str, Any]) -> None:
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("content-type", "application/fhir+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((HUB, 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HUB}:{server.server_port}"
    finally:
        server.shutdown()


def certificates(folder: Path) -> None:
    authority = Authority(folder)
    authority.issue("records", PUBLIC, f"*.{PUBLIC}")
    authority.issue("gateway", "lanyard.internal")
    authority.issue("db", "db.lanyard.internal")
    os.chown(folder / "db.key", pwd.getpwnam("postgres").pw_uid, -1)
    (folder / "db.key").chmod(0o600)


@contextlib.contextmanager
def database(tls: Path) -> Iterator[postgres.PostgresServer]:
    """db1: TLS and only the machines that the shipped lines name, and this one for the test itself."""
    rules = FOLDER / "pg_hba.conf"
    rules.write_text(f"host all all 127.0.0.1/32 scram-sha-256\n{(FILES / 'postgresql/pg_hba.conf').read_text()}")
    secured = f"ssl_cert_file={tls}/db.crt", f"ssl_key_file={tls}/db.key", f"hba_file={rules}"
    with postgres.postgres_server("listen_addresses=*", "ssl=on", *secured) as running:
        yield running


def machine(name: str, address: str, tls: Path, keys: dict[str, str], changes: dict[str, Any], db: int) -> Machine:
    """The shipped files in a folder of its own."""
    own = FOLDER / name
    (own / "etc").mkdir(parents=True)
    (own / "etc" / "tls").symlink_to(tls)
    for key, value in keys.items():
        (own / "etc" / key).write_text(value)
    moved = {"/etc/lanyard": f"{own}/etc", "/var/lib/lanyard": f"{own}/data", "/var/log/nginx": str(own)}
    moved |= {"/etc/keepalived": str(own), ":5432/": f":{db}/"}

    def placed(text: str) -> str:
        for shipped, here in moved.items():
            text = text.replace(shipped, here)
        return text

    config = tomllib.loads(placed((FILES / name / "lanyard.toml").read_text()))
    config["sso"] |= changes["sso"]
    config["sso"].pop("preset")
    config["zones"][0]["cidrs"].append(f"{HUB}/32")
    config["systems"][0] |= {"upstream": changes["epr"], "options": {}}
    config["audit"] = {"reserve": "16MiB", "segment": "2MiB"}
    config.pop("alarms")
    (own / "lanyard.toml").write_text(tomli_w.dumps(config))
    front = placed((FILES / "nginx/lanyard.conf").read_text())
    if name == "gw2":  # the one difference that its first line speaks of
        front = front.replace(" max_fails=1 fail_timeout=2s backup;", " max_fails=1 fail_timeout=2s;")
        front = front.replace(
            "10.20.0.11:8443 max_fails=1 fail_timeout=2s;", "10.20.0.11:8443 max_fails=1 fail_timeout=2s backup;"
        )
    (own / "nginx.conf").write_text(f"error_log {own}/nginx-error.log; events {{}} http {{ {front} }}")
    (own / "keepalived.conf").write_text(placed((FILES / f"keepalived/{name}.conf").read_text()))
    for script in ("answers", "ready"):
        (own / script).write_bytes((FILES / "keepalived" / script).read_bytes())
        (own / script).chmod(0o755)
    return Machine(name, address, own)


def signed_on(trusted: ssl.SSLContext) -> str:
    """N Okoye signs on at the shared address and opens the record; her cookie there."""
    with Browser(trusted, resolves=True) as browser:
        form = browser.submit(browser.get(f"https://{PUBLIC}/"))
        page: Page = browser.submit(
            form, login="n.okoye", password=provider.USERS["n.okoye"]["password"], otp=provider.OTP
        )
        assert page.url == f"https://{PUBLIC}/", page.url
        opened = browser.get(f"https://{EPR}/Patient/1", came_from=f"https://{PUBLIC}/")
        assert opened.status == 200, opened.text
        return "; ".join(f"{name}={value}" for name, value in browser.cookies[EPR].items())


def story(gw1: Machine, gw2: Machine, load: Load) -> dict[str, Any]:
    """Each step's figures."""
    told: dict[str, Any] = {"at_first": sorted(m.name for m in (gw1, gw2) if m.has_shared_address())}
    lost, other = (gw1, gw2) if gw1.has_shared_address() else (gw2, gw1)
    load.begin()
    time.sleep(2)  # so that there is load before the fault: it is what is looked at, not what is waited for
    told["before"] = len(load.asked)
    dark = time.monotonic()
    lost.lose_power()
    told["moved_after"] = until(other.has_shared_address, "the address moves")
    until(lambda: _serving(load, since=dark), "requests go on")
    told["serving_after"] = time.monotonic() - dark
    told["failed_meanwhile"] = _outcomes(load, since=dark)
    again = time.monotonic()
    lost.get_power()
    until(lost.ready, "the lost machine comes back")
    until(lambda: time.monotonic() - again > 8, "it has settled")
    told["moved_back"] = lost.has_shared_address()
    told["failed_after_it_moved"] = _outcomes(load, since=again)
    upgrading = time.monotonic()
    for one in (lost, other):
        stopping = time.monotonic()
        told[f"{one.name}_stopped_with"] = one.stop_gateway()
        told[f"{one.name}_stopped_within"] = time.monotonic() - stopping
        one.begin_gateway()
        until(one.ready, f"{one.name} is back")
        until(lambda since=time.monotonic(): time.monotonic() - since > 3, "load on both")  # type: ignore[misc]  # default binds the loop's value
    told["asked_while_upgrading"] = sum(1 for asked in load.asked if asked.at >= upgrading)
    told["failed_while_upgrading"] = _outcomes(load, since=upgrading)
    load.end()
    return told


def _serving(load: Load, since: float) -> bool:
    last = [one for one in load.asked if one.at > since][-8:]
    return len(last) == 8 and all(one.outcome in ("200", "201") for one in last)


def _settled(gw1: Machine, gw2: Machine) -> bool:
    """One of the two has the address, and has it still after a while in which both may have spoken."""
    first = gw1.has_shared_address()
    for _ in range(20):
        if gw1.has_shared_address() is not first or gw2.has_shared_address() is first:
            return False
        time.sleep(0.1)
    return True


def _outcomes(load: Load, since: float) -> dict[str, int]:
    return dict(Counter(f"{one.method} {one.outcome}" for one in load.failed(since)))


def main() -> dict[str, Any]:
    subprocess.run(["mount", "-t", "tmpfs", "none", str(FOLDER)], check=True)
    FOLDER.chmod(0o755)
    lay(HOSTS, FOLDER)
    tls = FOLDER / "tls"
    tls.mkdir()
    certificates(tls)
    trusted = ssl.create_default_context(cafile=tls / "ca.crt")
    written: Counter[str] = Counter()
    with contextlib.ExitStack() as running:
        client = provider.client(
            "lanyard", f"https://{PUBLIC}/sign-on/callback", post_logout_redirect_uris=[f"https://{PUBLIC}/signed-off"]
        )
        login = "http://login.example.nhs.uk:{port}"
        issuer = running.enter_context(provider.oidc_provider([client], origin=login, host=HUB)).issuer
        upstream = running.enter_context(record_system(written))
        db = running.enter_context(database(tls))
        keys = {f"{name}.key": new_key() for name in ("seal", "vault", "journal")}
        keys |= {"client.secret": provider.secret_of("lanyard"), "database.secret": postgres.PASSWORD}
        sso = {
            "issuer": issuer,
            "insecure_issuer": True,
            "scopes": ["profile", "clinical"],
            "claims": {"roles": "roles"},
        }
        changes = {"sso": sso, "epr": upstream}
        both = [machine(f"gw{n}", f"10.20.0.1{n}", tls, keys, changes, db.port) for n in (1, 2)]
        try:
            for one in both:
                one.plug_in()
            migrated(both[0])
            for one in both:
                one.begin_all()
            for one in both:
                until(one.ready, f"{one.name} is ready")
            until(lambda: _settled(*both), "one of them has the address")
            load = Load(EPR, trusted, signed_on(trusted))
            running.callback(load.end)
            told = story(*both, load)
            told |= {"written_twice": sum(1 for count in written.values() if count > 1)}
            told |= {"acknowledged_not_written": len(load.taken - written.keys()), "writes": len(load.taken)}
            told["keepalived_complains"] = complaints(both)
            told["believed_forged_address"] = journalled(both, "192.0.2.66")
            told["journalled_own_address"] = journalled(both, HUB)
        except BaseException:
            print("\n".join(one.words() for one in both), file=sys.stderr)
            raise
        finally:
            for one in both:
                with contextlib.suppress(subprocess.CalledProcessError):
                    one.lose_power()
    return told


def migrated(one: Machine) -> None:
    """The step before the first start, on one of the two."""
    one.begin(
        "migrate",
        sys.executable,
        "-m",
        "gateway.cli",
        "database",
        "migrate",
        "--config",
        str(one.folder / "lanyard.toml"),
    )
    if one.processes["migrate"].wait(60):
        raise RuntimeError((one.folder / "migrate.log").read_text())


def complaints(both: list[Machine]) -> list[str]:
    """What keepalived does not like in its files."""
    lines = [line for one in both for line in (one.folder / "keepalived.log").read_text().splitlines()]
    return [line for line in lines if re.search(r"unknown|warning|unsafe|disabled|ignoring", line, re.IGNORECASE)]


def journalled(both: list[Machine], source: str) -> bool:
    """Whether a request from that address is in a journal."""
    return any(
        f'"{source}"'.encode() in one.read_bytes()
        for m in both
        for one in (m.folder / "data" / "journal").rglob("*.seg")
    )


if __name__ == "__main__":
    print(json.dumps(main()))
