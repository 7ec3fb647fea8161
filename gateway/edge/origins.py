"""Which site a host is, and how a session comes from the main host to a system's.

A system's host sets a nonce and sends the browser to the main host with a ticket; the main host, where the session is, gives a
code that is good once, for thirty seconds, for that nonce, that host and that session; the system's host takes it and sets a cookie
of its own. The page that was asked for stays on the server all the way, since its address may name a patient.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from connectors.messages import Headers
from sso.session import new_token, token_hash

from ..sessions import Seat, Sessions
from ..stores.base import CodeStore
from ..systems import System
from .cookies import SESSION, cookie, expired, given

NONCE = b"__Host-lanyard-enter"
OURS = "/.lanyard/"
_TICKET_LIFE, _CODE_LIFE, _SIGN_OFF_LIFE = 900.0, 30.0, 120.0


@dataclass(frozen=True, slots=True)
class MainSite:
    host: str


@dataclass(frozen=True, slots=True)
class SystemSite:
    host: str
    system: System


@dataclass(frozen=True, slots=True)
class ApiSite:
    host: str
    systems: dict[str, System] = field(hash=False)


Site = MainSite | SystemSite | ApiSite


class Asked(Enum):
    """What kind of answer a request without a session can use."""

    DOCUMENT = "document"  # a navigation: send it to sign on
    FRAME = "frame"  # a page inside a page: a link out of the frame
    BACKGROUND = "background"  # a script: a status that it understands


def asked(method: str, headers: Headers) -> Asked:
    """By Sec-Fetch-Dest; without it a GET that takes HTML is a document."""
    dest = accept = None
    for name, value in headers:
        if name == b"sec-fetch-dest":
            dest = value
        elif name == b"accept":
            accept = value
    if dest in (b"frame", b"iframe", b"embed", b"object"):
        return Asked.FRAME
    if method not in ("GET", "HEAD"):
        return Asked.BACKGROUND
    if dest is not None:
        return Asked.DOCUMENT if dest == b"document" else Asked.BACKGROUND
    return Asked.DOCUMENT if accept and b"text/html" in accept else Asked.BACKGROUND


@dataclass(frozen=True, slots=True)
class Bounce:
    """A redirect and the cookies that go with it."""

    location: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Doors:
    """Tickets, codes and the way out."""

    def __init__(
        self, store: CodeStore, sessions: Sessions, now: Callable[[], float], public_url: str, scheme: str
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._now = now
        self._public_url = public_url
        self._scheme = scheme

    async def to_main(self, host: str, target: bytes, headers: Headers) -> Bounce:
        """From a system's host to the main host. A nonce that is there already is kept: another tab may be under way."""
        nonce = cookie(headers, NONCE)
        nonce_text = nonce.decode("ascii") if nonce and nonce.isascii() and 40 <= len(nonce) <= 64 else new_token()
        ticket = secrets.token_urlsafe(24)
        value = {"host": host, "nonce": token_hash(nonce_text), "target": target.decode("latin-1")}
        await self._store.put_code("ticket", ticket, json.dumps(value).encode(), self._now() + _TICKET_LIFE)
        return Bounce(
            f"{self._public_url}/enter?ticket={ticket}", (given(NONCE, nonce_text, max_age=int(_TICKET_LIFE)),)
        )

    async def to_system(self, ticket: str, seat: Seat) -> Bounce | None:
        """From the main host, signed on, back to the system's host; None for a ticket that is none."""
        value = await self._store.take_code("ticket", ticket, self._now())
        if value is None:
            return None
        kept = json.loads(value) | {"session": seat.session.id}
        code = secrets.token_urlsafe(32)
        await self._store.put_code("enter", code, json.dumps(kept).encode(), self._now() + _CODE_LIFE)
        return Bounce(f"{self._scheme}://{kept['host']}{OURS}enter?code={code}")

    async def place_of(self, ticket: str) -> str:
        """The address that a ticket was given for; the main host's first page where it is none any more."""
        value = await self._store.read_code("ticket", ticket, self._now())
        if value is None:
            return f"{self._public_url}/"
        kept = json.loads(value)
        return f"{self._scheme}://{kept['host']}{kept['target']}"

    async def enter(self, host: str, code: str, headers: Headers) -> Bounce | None:
        """Take the code at the system's host and set its cookie; None where anything does not fit.

        A frame beside this one may have come first and used the nonce up: then its cookie, of the same session, is there already.
        """
        value = await self._store.take_code("enter", code, self._now())
        kept = json.loads(value) if value else {}
        if kept.get("host") != host:
            return None
        place = f"{self._scheme}://{host}{kept['target']}"
        nonce = cookie(headers, NONCE)
        if nonce is None or not hmac.compare_digest(kept["nonce"], token_hash(nonce)):
            here = await self._sessions.seated(cookie(headers, SESSION), host)
            return Bounce(place) if here is not None and here.session.id == kept["session"] else None
        seat = await self._sessions.seat_of(kept["session"])
        if seat is None:
            return None
        token = await self._sessions.host_token(seat, host)
        return Bounce(place, (given(SESSION, token), expired(NONCE)))

    async def first_of_sign_off(self, hosts: tuple[str, ...], end: str) -> str:
        """Where sign-off goes first; the last stop leads to `end`."""
        if not hosts:
            return end
        ticket = secrets.token_urlsafe(24)
        value = json.dumps({"hosts": hosts, "end": end}).encode()
        await self._store.put_code("sign-off", ticket, value, self._now() + _SIGN_OFF_LIFE)
        return f"{self._scheme}://{hosts[0]}{OURS}sign-off?ticket={ticket}"

    async def sign_off_stop(self, host: str, ticket: str) -> Bounce:
        """One stop: our cookies are taken back by name, the origin's storage is cleared, and on to the next.

        A ticket that is none takes nothing back: a link must not sign anybody off.
        """
        value = await self._store.take_code("sign-off", ticket, self._now())
        kept: dict[str, Any] = json.loads(value) if value else {"hosts": [], "end": f"{self._public_url}/"}
        if not kept["hosts"] or kept["hosts"][0] != host:
            return Bounce(kept["end"])
        onward = await self.first_of_sign_off(tuple(kept["hosts"][1:]), kept["end"])
        return Bounce(onward, (expired(SESSION), expired(NONCE), (b"clear-site-data", b'"storage"')))
