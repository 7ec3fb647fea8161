"""A thousand shifts, seated through the product's own rooms, and wrk's script that rotates over them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from gateway.app import seal_of
from gateway.config import Config
from gateway.credentials import seal_credentials
from gateway.sessions import Sessions
from gateway.stores.sqlite import SqliteStore
from policies.model import Device, Ownership, Posture, Principal
from sso.provider import SignedOn
from sso.tokens import VerifiedClaims

SHIFTS, PATIENTS, ROUTES = 1000, 5000, 50
_SCRIPT = """
local cookies = {}
for line in io.lines("%s") do cookies[#cookies + 1] = line end
local c, p, r = 0, 0, 0
request = function()
  c = c %% #cookies + 1; p = (p + 7) %% %d; r = (r + 1) %% %d
  return wrk.format("GET", "%s" .. r .. "/patient/" .. (100000 + p) .. "?view=summary", {
    ["Host"] = "%s", ["Cookie"] = "__Host-lanyard=" .. cookies[c], ["Sec-Fetch-Site"] = "same-origin",
    ["Sec-Fetch-Mode"] = "navigate", ["Sec-Fetch-Dest"] = "%s", ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)",
    ["Accept"] = "text/html,application/xhtml+xml" })
end
"""


def routes() -> list[dict[str, object]]:
    """Fifty routes with the patient in the path, and one to long pages."""
    return [
        {"id": f"part{n}", "path": f"/part{n}/patient/{{id}}", "action": "read", "kind": f"kind{n % 8}",
         "patient": {"in": "path", "name": "id"}, "parameters": ["view"]}
        for n in range(ROUTES)
    ] + [
        {"id": "long", "path": "/long/{part}/patient/{id}", "action": "read", "kind": "kind0",
         "patient": {"in": "path", "name": "id"}, "parameters": ["view"]}
    ]  # fmt: skip


def seat(config: Config, host: str, shifts: int = SHIFTS) -> list[str]:
    """Cookies of so many shifts at `host`."""
    return asyncio.run(_seat(config, host, shifts))


async def _seat(config: Config, host: str, shifts: int) -> list[str]:
    data_dir = Path(config.gateway.data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(data_dir / "sessions.db", seal_of(config))
    sessions = Sessions(store, time.time, longest=config.shift.longest)
    device = Device(ownership=Ownership.SHARED, zone="ward", posture=Posture.ON_SITE)
    cookies: list[str] = []
    for number in range(shifts):
        role = ("nurse", "doctor")[number % 2]
        seated, _, _ = await sessions.sign_on(
            _signed_on(config, number, role), device, config.public_host, idle=7200, previous=None
        )
        cookies.append(await sessions.token(seated, host))
    await store.close()
    return cookies


def _signed_on(config: Config, number: int, role: str) -> SignedOn:
    principal = Principal(config.sso.issuer, f"user{number}", f"Person {number}", role, frozenset({role}), "RBENCH", 2)
    claims: VerifiedClaims = None  # type: ignore[assignment]  # nothing reads the claims of a seat
    return SignedOn(claims, principal, "", "", time.time() + 300, time.time(), "aal2", ("pwd",), "", f"user{number}")


def script(folder: Path, cookies: list[str], host: str, *, path: str = "/part", dest: str = "document") -> Path:
    """`path` and a number begin the address; `dest`: what the browser says that it asks for."""
    listed = folder / "cookies.txt"
    listed.write_text("\n".join(cookies) + "\n")
    written = folder / f"rotate{path.replace('/', '-')}-{dest}.lua"
    written.write_text(_SCRIPT % (listed, PATIENTS, ROUTES, path, host, dest))
    return written


def credentials(config: Config) -> str:
    """Everybody's credential at the one system, sealed."""
    issuer = config.sso.issuer
    entries = [{"issuer": issuer, "subject": f"user{n}", "username": f"u{n}", "secret": f"w{n}"} for n in range(SHIFTS)]
    return seal_credentials(json.dumps(entries).encode(), "pas", seal_of(config))
