"""A thousand shifts, seated through the product's own rooms, and wrk's script that rotates over them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from gateway.app import seal_of
from gateway.config import Config
from gateway.credentials import seal_credentials
from gateway.sessions import Seat, Sessions
from gateway.stores.opening import open_store
from policies.model import Device, Ownership, Posture, Principal
from sso.provider import SignedOn
from sso.tokens import VerifiedClaims

from . import tokens

SHIFTS, PATIENTS, ROUTES = 1000, 5000, 50
_AT_ONCE = 16  # sign-ons into a store that others share
_SCRIPT = """
local cookies = {}
for line in io.lines("%s") do cookies[#cookies + 1] = line end
math.randomseed(os.time())
local c, p, r = math.random(#cookies), 0, 0
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


def seat(config: Config, host: str, shifts: int = SHIFTS, *, first: int = 0) -> list[str]:
    """Cookies of so many shifts at `host`; `first`: the number of the first clinician."""
    return asyncio.run(_seat(config, host, shifts, first))


async def _seat(config: Config, host: str, shifts: int, first: int) -> list[str]:
    Path(config.gateway.data_dir).mkdir(parents=True, exist_ok=True)
    store = open_store(config, seal_of(config))
    sessions = Sessions(store, time.time, longest=config.shift.longest)
    cookies: list[str] = []
    waiting = iter(range(first, first + shifts))

    async def one_after_another() -> None:
        for number in waiting:
            seated = await seat_one(sessions, config, number)
            cookies.append(await sessions.token(seated, host))

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE if store.shared else 1):
            group.create_task(one_after_another())
    await store.close()
    return cookies


async def seat_one(sessions: Sessions, config: Config, number: int, *, device: str = "") -> Seat:
    """On a ward PC, as nurse or as doctor. `device`: the id that it is enrolled by."""
    at = Device(id=device, ownership=Ownership.SHARED, zone="ward", posture=Posture.ON_SITE)
    role = ("nurse", "doctor")[number % 2]
    seated, _, _ = await sessions.sign_on(
        _signed_on(config, number, role), at, config.public_host, idle=7200, previous=None
    )
    return seated


def _signed_on(config: Config, number: int, role: str) -> SignedOn:
    subject, now = f"user{number}", time.time()
    principal = Principal(config.sso.issuer, subject, f"Person {number}", role, frozenset({role}), "RBENCH", 2)
    said = tokens.claims(config.sso.issuer, config.sso.client_id, subject, int(now), f"nonce-{number}")
    claims: VerifiedClaims = None  # type: ignore[assignment]  # nothing reads the claims of a seat
    id_token, refresh = tokens.unsigned(said), tokens.refresh_token()
    return SignedOn(claims, principal, id_token, refresh, now + 300, now, "aal2", ("pwd",), said["sid"], subject)


def script(folder: Path, cookies: list[str], host: str, *, path: str = "/part", dest: str = "document") -> Path:
    """`path` and a number begin the address; `dest`: what the browser says that it asks for."""
    listed = folder / "cookies.txt"
    listed.write_text("\n".join(cookies) + "\n")
    written = folder / f"rotate{path.replace('/', '-')}-{dest}.lua"
    written.write_text(_SCRIPT % (listed, PATIENTS, ROUTES, path, host, dest))
    return written


def credentials(config: Config, shifts: int = SHIFTS) -> str:
    """Everybody's credential at the one system, sealed."""
    issuer = config.sso.issuer
    entries = [
        {"issuer": issuer, "subject": f"user{n}", "username": f"u{n}", "secret": f"w{n}"}
        for n in range(max(shifts, SHIFTS))
    ]
    return seal_credentials(json.dumps(entries).encode(), "pas", seal_of(config))
