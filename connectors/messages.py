"""What connectors and the gateway pass to each other: plain values with raw bytes.

The target is the raw request target exactly as it came (origin-form, RFC 9112 section 3.2.1): what was judged is
what is journalled and what is sent. Header names are lower-case bytes, values are raw bytes, order and repetition kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from policies.model import Principal

from .errors import BodyTooLarge, SystemMisbehaves

Headers = tuple[tuple[bytes, bytes], ...]
_First = tuple[Headers, dict[bytes, bytes]]  # headers, and the first value of each name in them


# What is answered as one of these shows nobody's record: style sheets, scripts, images, fonts.
ASSET_TYPES = (b"text/css", b"text/javascript", b"application/javascript", b"application/x-javascript", b"image/", b"font/",
               b"application/font", b"application/x-font", b"application/vnd.ms-fontobject")  # fmt: skip


def folded(name: bytes) -> bytes:
    """A header's name as systems behind CGI or WSGI read it, which cannot tell these spellings apart."""
    return name.lower().replace(b"_", b"-").replace(b".", b"-")


class Body:
    """A body as it streams, of which a part may be read ahead and is replayed to whoever streams it.

    `hold` and `peek` read ahead; `chunks` yields everything once, held bytes first. An error of the
    source (client gone, upstream reset) is raised where it happens and never looks like the end.
    """

    __slots__ = ("_ended", "_held", "_source", "_started")

    def __init__(self, source: AsyncIterator[bytes] | None = None, held: bytes = b"") -> None:
        self._source = source
        self._held = held
        self._ended = source is None
        self._started = False

    @classmethod
    def of(cls, data: bytes) -> Body:
        return cls(None, data)

    @property
    def whole(self) -> bytes | None:
        """The complete body if it is all in memory, else None."""
        return self._held if self._ended and not self._started else None

    async def peek(self, size: int) -> bytes:
        """Read ahead until `size` bytes are held or the body ends; returns the first `size` bytes."""
        parts, have = [self._held], len(self._held)
        while have < size and not self._ended:
            chunk = await self._next()
            parts.append(chunk)
            have += len(chunk)
        self._held = b"".join(parts)
        return self._held[:size]

    async def hold(self, limit: int) -> bytes:
        """Read the whole body into memory. Raises BodyTooLarge past `limit` bytes."""
        await self.peek(limit + 1)
        if len(self._held) > limit:
            raise BodyTooLarge(limit)
        return self._held

    async def chunks(self) -> AsyncIterator[bytes]:
        """Everything, once."""
        if self._started:
            raise RuntimeError("a body is streamed once")
        self._started = True
        if self._held:
            held, self._held = self._held, b""
            yield held
        while not self._ended:
            chunk = await self._next()
            if chunk:
                yield chunk

    async def _next(self) -> bytes:
        assert self._source is not None
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            self._ended = True
            return b""


class _Headed:
    """What both messages that come in say by their headers."""

    __slots__ = ("_first",)
    headers: Headers
    _first: _First

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower-case), or None."""
        headers, first = self._first
        if headers is not self.headers:
            headers, first = self._first = self.headers, dict(self.headers[::-1])
        return first.get(name)

    def media_type(self, otherwise: bytes = b"") -> bytes:
        """Of the body: lower-case, without parameters; `otherwise` where none is said."""
        return (self.header(b"content-type") or otherwise).partition(b";")[0].strip().lower()


@dataclass(slots=True)
class InboundRequest(_Headed):
    """A browser's or app's request, after the edge has judged its form.

    `target` is relative to the system: on a path mount the `/{name}` prefix is already cut off.
    """

    id: str  # 128 random bits, hex; the journal's key for everything about this request
    method: str
    target: bytes
    headers: Headers = field(repr=False)  # cookies and tokens
    body: Body
    scheme: str = "https"
    host: str = ""  # the public host as configured, with port where there is one
    prefix: str = ""  # `/{name}` on a path mount, else ""
    length: int | None = None  # bytes that the client declared for the body; None where it sends chunks
    session: str = ""  # public id of the session, for values bound to it (paging tokens); never a secret
    who: Principal | None = field(
        default=None, repr=False
    )  # who asks, as the provider has said; None in a rehearsal only
    path: bytes = field(init=False)
    query: bytes = field(init=False)
    matched: Any = None  # what the connector's route table found, so that it looks once
    _first: _First = field(init=False, default=((), {}), repr=False, compare=False)

    def __post_init__(self) -> None:
        self.path, _, self.query = self.target.partition(b"?")


@dataclass(slots=True)
class UpstreamRequest:
    """What is sent to the system. `target` is sent as it is."""

    method: str
    target: bytes
    headers: Headers = field(repr=False)  # cookies and tokens
    body: Body | None = None
    length: int | None = None  # declared content length; None with a body = chunked
    expects_identity: bool = False  # the answer will be read: no encodings, ranges or conditions


@dataclass(slots=True)
class UpstreamResponse(_Headed):
    """What the system answered. Trailers are dropped; `close` gives the connection up or back."""

    status: int
    headers: Headers = field(repr=False)  # cookies
    body: Body
    reason: bytes = b""
    close: Callable[[], None] = field(default=lambda: None, repr=False)
    _first: _First = field(init=False, default=((), {}), repr=False, compare=False)

    @property
    def is_page(self) -> bool:
        """HTML, which may name patients and show signs."""
        return self.media_type().startswith((b"text/html", b"application/xhtml"))

    def require_plain(self) -> None:
        """What must be read was asked for plain. Raises SystemMisbehaves where it came packed all the same."""
        if (self.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
            raise SystemMisbehaves("the system packed an answer that was asked for plain")
