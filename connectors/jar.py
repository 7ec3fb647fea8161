"""A cookie jar for one upstream session: the system's Set-Cookie lines in, a Cookie line out, JSON between.

The standard library's jar does the work (RFC 2965 and Netscape rules); it is one jar for one session by construction, so
that no clinician's cookie can reach the system under another's name.
"""

from __future__ import annotations

import email.message
import time
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.request import Request

from .messages import Headers

_MOST_COOKIES = 64
_LONGEST = 4096
_FIELDS = ("name", "value", "domain", "path", "secure", "expires", "discard")


class _Answer:
    """The little of a urllib response that the jar reads."""

    def __init__(self, headers: Headers) -> None:
        self._message = email.message.Message()
        for name, value in headers:
            if name == b"set-cookie" and len(value) <= _LONGEST:
                self._message["Set-Cookie"] = value.decode("latin-1")

    def info(self) -> email.message.Message:
        return self._message


class Jar:
    """Thousands are held at a time: the library's jar is made for an answer that sets cookies, and let go."""

    __slots__ = ("_cookies", "_everywhere", "_origin", "_sendable", "_until")

    def __init__(self, origin: str, kept: list[dict[str, Any]] | None = None) -> None:
        """`origin` is the system's own, e.g. `https://pas.internal`; `kept` is what `kept()` gave."""
        self._origin = origin
        self._cookies: list[dict[str, Any]] = kept if kept is not None else []
        self._sendable: tuple[tuple[str, bytes], ...] | None = None
        self._everywhere: bytes | None = None  # the line for any path, where no cookie is for a part of the site
        self._until = 0.0

    def line(self, path: str) -> bytes:
        """The Cookie header's value for a request of `path`; empty when there is none.

        By path only: the jar holds nothing but its own system's cookies (RFC 6265, section 5.4).
        """
        if self._sendable is None or time.time() >= self._until:
            self._prepare()
        assert self._sendable is not None
        if self._everywhere is not None:
            return self._everywhere
        bare = path.partition("?")[0]
        return b"; ".join([pair for where, pair in self._sendable if _below(bare, where)])

    def _prepare(self) -> None:
        """What may be sent now, longest path first, and until when that holds."""
        now = time.time()
        alive = [c for c in self._cookies if _alive(c, now) and (self._origin.startswith("https:") or not c["secure"])]
        alive.sort(key=lambda c: -len(c["path"]))
        pairs = [(c["path"], f"{c['name']}={c['value']}".encode("latin-1", "replace")) for c in alive]
        alone = all(where == "/" for where, _ in pairs)
        self._everywhere = b"; ".join([pair for _, pair in pairs]) if alone else None
        self._sendable = () if alone else tuple(pairs)
        self._until = min((float(c["expires"]) for c in alive if c["expires"] is not None), default=float("inf"))

    def take(self, path: str, headers: Headers) -> bool:
        """Take the cookies of an answer to `path`; True when the jar has changed."""
        jar = CookieJar(DefaultCookiePolicy(strict_domain=True))
        for cookie in self._cookies:
            jar.set_cookie(_cookie(cookie))
        jar.extract_cookies(_Answer(headers), self._request(path))  # type: ignore[arg-type]  # info() is all it reads
        before, self._cookies = self._cookies, [{field: getattr(c, field) for field in _FIELDS} for c in jar]
        self._cookies = self._cookies[-_MOST_COOKIES:]
        self._sendable = None
        return self._cookies != before

    def kept(self) -> list[dict[str, Any]]:
        """JSON-able, newest last, bounded; the jar's own: another one after each answer that sets cookies."""
        return self._cookies

    def has(self, name: str) -> bool:
        return any(cookie["name"] == name and _alive(cookie, time.time()) for cookie in self._cookies)

    def _request(self, path: str) -> Request:
        return Request(self._origin + path)  # noqa: S310 - never opened: the jar wants its address


def _below(path: str, where: str) -> bool:
    """Path-match (RFC 6265, section 5.1.4)."""
    return path.startswith(where) and (where.endswith("/") or len(path) == len(where) or path[len(where)] == "/")


def _alive(c: dict[str, Any], now: float) -> bool:
    return c["expires"] is None or c["expires"] > int(now)


def _cookie(c: dict[str, Any]) -> Cookie:
    return Cookie(
        version=0,
        name=c["name"],
        value=c["value"],
        port=None,
        port_specified=False,
        domain=c["domain"],
        domain_specified=c["domain"].startswith("."),
        domain_initial_dot=c["domain"].startswith("."),
        path=c["path"],
        path_specified=True,
        secure=c["secure"],
        expires=c["expires"],
        discard=c["discard"],
        comment=None,
        comment_url=None,
        rest={},
    )
