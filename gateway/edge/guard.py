"""The outermost layer of the app: one host from the configured ones, one reading of the target, a known method.

What is judged here is journalled and sent unchanged; so anything that another reader could take for another path is refused, and
nothing is cleaned up.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from .framing import Refused, status

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HOST = re.compile(rb"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?")
# Origin-form (RFC 9112, section 3.2.1), visible ASCII without `#` and `\`.
_TARGET = re.compile(rb"/(?:(?!/)[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*)(?:\?[\x21\x22\x24-\x5b\x5d-\x7e]*)?")
# In a path: escapes that are none; encoded delimiters and controls; overlong dots and slashes.
_PATH_TRAPS = re.compile(
    rb"%(?![0-9a-fA-F]{2})|%(?:[01][0-9a-fA-F]|7[fF]|2[fF]|5[cC]|3[bBfF]|23)"
    rb"|%[cC][01]%[89abAB][0-9a-fA-F]|%[eE]0%[89][0-9a-fA-F]|%[fF]0%8[0-9a-fA-F]"
)
_ESCAPE = re.compile(rb"%(?:[0-9a-fA-F]{2}|[uU])")

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


def judge_target(target: bytes) -> bool:
    """Whether a target has exactly one reading."""
    if not _TARGET.fullmatch(target):
        return False
    path = target.partition(b"?")[0]
    if b"%" in path:
        if _PATH_TRAPS.search(path):
            return False
        path = unquote_to_bytes(path)
        if _ESCAPE.search(path):  # who decodes twice would read another path
            return False
    if b"." not in path and b" " not in path:
        return True
    # `..;` and `..` are the parent to some; dots and blanks at a segment's end are nothing to others.
    return not any(s.partition(b";")[0].endswith((b".", b" ")) for s in path.split(b"/"))


def normal_host(raw: bytes, scheme: str) -> bytes | None:
    """Lower case, the scheme's own port left out; None where it is no host."""
    host = raw.lower()
    if not _HOST.fullmatch(host) or b".." in host:
        return None
    return host.removesuffix(b":443" if scheme == "https" else b":80")


class Guard:
    """Pure ASGI, every scope type. `sites` maps hosts (as normal_host has them) to whatever answers there."""

    def __init__(self, app: App, sites: Mapping[str, Any], scheme: str, rejected: Callable[[str, str], None]) -> None:
        self._app = app
        self._scheme = scheme
        self._sites = {normal_host(host.encode(), scheme): site for host, site in sites.items()}
        self._known: dict[bytes, Any] = {}
        self._rejected = rejected

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        match scope["type"]:
            case "http":
                verdict = self._judge(scope)
                if isinstance(verdict, Refused):
                    return self._refuse(scope, send, verdict)
                scope["lanyard.site"] = verdict
                scope["scheme"] = self._scheme
                return self._app(scope, receive, send)
            case "websocket":
                return self._close(scope, send)
            case "lifespan":
                return self._app(scope, receive, send)
            case other:
                raise RuntimeError(f"a scope of type `{other}` is not served")

    async def _close(self, scope: Scope, send: Any) -> None:
        self._rejected(_source(scope), Refused.WEBSOCKET)
        await send({"type": "websocket.close", "code": 1008})

    def _judge(self, scope: Scope) -> Any:
        site = None
        for name, value in scope["headers"]:
            if name == b"host":
                site = self._site(value)
                break
        if site is None or isinstance(site, Refused):
            return site or Refused.HOST
        if scope["method"] not in METHODS:
            return Refused.METHOD
        return site if judge_target(scope["lanyard.target"]) else Refused.TARGET

    def _site(self, raw: bytes) -> Any:
        site = self._known.get(raw)
        if site is not None:
            return site
        host = normal_host(raw, self._scheme)
        if host is None:
            return Refused.HOST
        site = self._sites.get(host)
        if site is None:
            return Refused.UNKNOWN_HOST
        if len(self._known) < 256:  # the same few spellings come again and again
            self._known[raw] = site
        return site

    async def _refuse(self, scope: Scope, send: Any, reason: Refused) -> None:
        self._rejected(_source(scope), reason)
        body = b"request refused: " + reason.value.encode()
        headers = [
            (b"content-type", b"text/plain"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        if reason is Refused.METHOD:
            headers.append((b"allow", ", ".join(sorted(METHODS)).encode()))
        await send({"type": "http.response.start", "status": status(reason), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _source(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
