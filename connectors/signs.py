"""Declared signs by which an answer shows what it is: logged on, refused, logged off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from .messages import UpstreamResponse

LOOK_AHEAD = 64 * 1024  # bytes of a page that are looked through


@dataclass(frozen=True, slots=True)
class Sign:
    """All that is declared must hold. Empty: never."""

    status: int | None = None
    location: str = ""  # the start of the path that a redirect leads to
    text: tuple[str, ...] = ()  # any of these stands in the first 64 KiB of the page
    cookie: str = ""  # a cookie of this name is in the jar

    @classmethod
    def declared(cls, options: Mapping[str, Any]) -> Sign:
        text = options.get("text", ())
        return cls(
            status=options.get("status"),
            location=options.get("location", ""),
            text=(text,) if isinstance(text, str) else tuple(text),
            cookie=options.get("cookie", ""),
        )

    @property
    def needs_page(self) -> bool:
        return bool(self.text)

    def shown(self, status: int, location: bytes | None, page: bytes, charset: str, cookies: frozenset[str]) -> bool:
        if not (self.status or self.location or self.text or self.cookie):
            return False
        if self.status is not None and status != self.status:
            return False
        if self.location and not (location and _path(location).startswith(self.location)):
            return False
        if self.cookie and self.cookie not in cookies:
            return False
        return not self.text or any(text.encode(charset, "ignore") in page for text in self.text)


KEYS = frozenset(field.name for field in fields(Sign))


def is_declared(value: Mapping[str, Any]) -> bool:
    """Whether a table declares a sign: something, and nothing else."""
    return bool(value) and value.keys() <= KEYS


def _path(location: bytes) -> str:
    try:
        parts = urlsplit(location.decode("latin-1"))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


async def shown_by(sign: Sign, response: UpstreamResponse, charset: str) -> bool:
    """Whether `response` shows `sign`; reads ahead in HTML answers only, and only where text is declared."""
    page = b""
    if sign.needs_page:
        if not response.is_page:
            return False
        response.require_plain()
        page = await response.body.peek(LOOK_AHEAD)
    return sign.shown(response.status, response.header(b"location"), page, charset, frozenset())
