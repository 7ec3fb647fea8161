"""What the guard script is served as, and what it asks: who is signed on here, and until when.

Asking is no activity; only `/.lanyard/active`, which the script sends when somebody types or clicks, begins the idle time again. With
`?writing` it does not: it asks a shift that is about to end to wait for what is typed and not sent.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable
from math import inf
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response

from connectors.messages import Headers

from ..edge import cookies
from ..edge.exchange import Scope
from ..locks import Locks
from ..proxy import csp
from ..proxy.guarding import session_mark
from ..sessions import Seat, Sessions
from .render import Renderer


def _served(source: str) -> bytes:
    """Without comments and indent: what is left is what browsers get."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


SCRIPT = _served((Path(__file__).parent / "static" / "guard.js").read_text("utf-8"))
PACKED = gzip.compress(SCRIPT, mtime=0)
VERSION = hashlib.sha256(SCRIPT).hexdigest()[:12]
INTEGRITY = f"sha256-{base64.b64encode(hashlib.sha256(SCRIPT).digest()).decode()}"
WRITING = b"writing"  # what is asked where something is typed and not sent
_FOR_EVER, _FOR_A_WHILE = "public, max-age=31536000, immutable", "public, max-age=300"


class GuardPages:
    """The script and its two addresses, the same on every origin."""

    def __init__(self, sessions: Sessions, locks: Locks, renderer: Renderer, now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._locks = locks
        self._renderer = renderer
        self._now = now

    async def answer(self, host: str, scope: Scope) -> Response | None:
        """None for what is none of them. Raises StoreUnavailable."""
        path, method, headers = scope["path"], scope["method"], tuple(scope["headers"])
        if path == csp.SCRIPT and method in ("GET", "HEAD"):
            return _script(headers, scope["query_string"])
        if (path, method) not in ((csp.STATE, "GET"), (csp.ACTIVE, "POST")):
            return None
        if not _from_own_page(headers, f"{scope['scheme']}://{host}", must_say=method == "POST"):
            return self._renderer.problem(403, "cross-site", "Only a page of this origin may ask for this")
        token = cookies.cookie(headers, cookies.SESSION)
        seat = await self._sessions.seated(token, host)
        if seat is not None and method == "POST":
            if scope["query_string"] == WRITING:
                await self._sessions.writing(seat)
            else:
                self._sessions.touch(seat)
        seat = seat or await self._locks.held(token, host) or await self._sessions.lapsed(token, host)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        return JSONResponse(self._state(seat), headers={"cache-control": "no-store"})

    def _state(self, seat: Seat) -> dict[str, object]:
        now, session, shift = self._now(), seat.session, seat.shift
        return {
            "name": shift.principal.name,
            "roles": sorted(shift.principal.roles),
            "session": session_mark(session.id),
            "locks_in": round(session.locks_in(now)),
            "ends_in": max(0, round(shift.ends - now)),
            "locked": self._sessions.locked(session),
            **({"renews_in": max(0, round(seat.until - now))} if seat.until < inf else {}),
        }


def _script(headers: Headers, query: bytes) -> Response:
    """An address that names these very bytes is good for ever; any other is not kept for long."""
    known = parse_qs(query.decode("latin-1")).get("v") == [VERSION]
    said = {
        "cache-control": _FOR_EVER if known else _FOR_A_WHILE,
        "x-content-type-options": "nosniff",
        "vary": "accept-encoding",
    }
    packs = any(name == b"accept-encoding" and b"gzip" in value.lower() for name, value in headers)
    if packs:
        said["content-encoding"] = "gzip"
    return Response(PACKED if packs else SCRIPT, media_type="text/javascript", headers=said)


def _from_own_page(headers: Headers, origin: str, *, must_say: bool) -> bool:
    """By Sec-Fetch-Site, else by Origin; a browser that sends neither may ask, and count nothing."""
    said = {name: value for name, value in headers if name in (b"sec-fetch-site", b"origin")}
    if (site := said.get(b"sec-fetch-site")) is not None:
        return site == b"same-origin"
    if (named := said.get(b"origin")) is not None:
        return named == origin.encode()
    return not must_say
