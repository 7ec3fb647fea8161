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

from ..messages import Headers

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
    def __init__(self, origin: str, kept: list[dict[str, Any]] | None = None) -> None:
        """`origin` is the system's own, e.g. `https://pas.internal`; `kept` is what `kept()` gave."""
        self._origin = origin
        self._jar = CookieJar(DefaultCookiePolicy(strict_domain=True))
        self._lines: dict[str, bytes] = {}
        for cookie in kept or ():
            self._jar.set_cookie(_cookie(cookie))

    def line(self, path: str) -> bytes:
        """The Cookie header's value for a request of `path`; empty when there is none."""
        line = self._lines.get(path)
        if line is None:
            request = self._request(path)
            self._jar.add_cookie_header(request)
            line = (request.get_header("Cookie") or "").encode("latin-1")
            if len(self._lines) > 256:
                self._lines.clear()
            self._lines[path] = line
        return line

    def take(self, path: str, headers: Headers) -> bool:
        """Take the cookies of an answer to `path`; True when the jar has changed."""
        if not any(name == b"set-cookie" for name, _ in headers):
            return False
        before = self.kept()
        self._jar.extract_cookies(_Answer(headers), self._request(path))  # type: ignore[arg-type]  # info() is all it reads
        self._lines.clear()
        return self.kept() != before

    def kept(self) -> list[dict[str, Any]]:
        """JSON-able, newest last, bounded."""
        return [{field: getattr(c, field) for field in _FIELDS} for c in self._jar][-_MOST_COOKIES:]

    def has(self, name: str) -> bool:
        return any(cookie.name == name and not cookie.is_expired(int(time.time())) for cookie in self._jar)

    def _request(self, path: str) -> Request:
        return Request(self._origin + path)  # noqa: S310 - never opened: the jar wants its address


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
