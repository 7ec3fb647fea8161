"""A system's pages into guarded ones: one script tag of ours, put in as the page streams. Sans I/O, bytes only.

The page is read as browsers read it (WHATWG HTML, section 13.2.5; XML 1.0 for XHTML) as far as its `<head …>`, or the first other tag
after doctype and `<html …>`: outside comments and whatever else is no markup. What has been read is sent on at once; held back is
only a tag that is not whole yet, and never more than `LOOK_AHEAD`. A page in which there is no such place, or that a script of ours
cannot work in, goes out as it came and is counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from connectors.messages import Body, Headers, InboundRequest, UpstreamResponse

from . import csp

LOOK_AHEAD = 64 * 1024
HTML, XHTML = b"text/html", b"application/xhtml+xml"
_NAVIGATED = frozenset({b"document", b"frame", b"iframe"})
_NAVIGATES_WITHOUT_SAYING = b"text/html,application/xhtml+xml"  # how Accept begins where a browser sends no Sec-Fetch
_NO_PAGE = frozenset({204, 205, 206, 304})
# Charsets in which `<` is not always the byte of ASCII (WHATWG Encoding, section 4.2, and what browsers no longer read).
_NOT_ASCII = re.compile(
    rb"charset\s*=\s*[\"']?\s*(?:utf-?(?:16|32|7)|(?:iso-10646-)?ucs-|csunicode|unicode(?:feff|fffe)?(?![\w-])|iso-2022|csiso2022|hz-)",
    re.IGNORECASE,
)
_WIDE = (b"\xfe\xff", b"\xff\xfe", b"\0", b"<\0")  # how a page of two or four bytes for a character begins

_ATTRIBUTES = (
    rb"(?=[\t\n\f\r />])(?:[\t\n\f\r /]++|[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rb"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r \"'>][^\t\n\f\r >]*+|(?=>))|(?![\t\n\f\r ]*+=)))*+>"
)
# What is passed over before the place, and the place itself; each complete, since it ends in bytes that are there.
_HTML = re.compile(
    rb"<(?:(?P<head>head" + _ATTRIBUTES + rb")|(?P<html>html" + _ATTRIBUTES + rb")"
    rb"|!--(?:-?>|.*?--!?>)|!(?!--)[^>]*+>|\?[^>]*+>|(?=[^A-Za-z!?/]))",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(
    rb"<(?:(?P<head>head" + _ATTRIBUTES + rb")|(?P<html>html" + _ATTRIBUTES + rb")"
    rb"|!--.*?-->|!\[CDATA\[.*?\]\]>|![A-Z][^>\[]*+>|\?.*?\?>)",
    re.DOTALL,
)
# What may yet become one of them.
_MAYBE = rb"<(?:\Z|[!?]|(?:h|he|hea|ht|htm)\Z|(?:head|html)(?:\Z|[\t\n\f\r />]))"
_OPEN = {_HTML: re.compile(_MAYBE, re.IGNORECASE), _XML: re.compile(_MAYBE)}


class Splice:
    """`feed` gives what may go out now, `end` the rest. The same bytes however they are cut; `placed` once the tag is in."""

    __slots__ = ("_begun", "_held", "_html", "_open", "_tag", "_whole", "placed")

    def __init__(self, tag: bytes, *, xml: bool = False) -> None:
        self._tag = tag
        self._whole = _XML if xml else _HTML
        self._open = _OPEN[self._whole]
        self._held = b""
        self._begun = False  # the page's first bytes are judged
        self._html = False
        self.placed = False

    def feed(self, chunk: bytes) -> bytes:
        if self._tag == b"":
            return chunk
        held = self._held = self._held + chunk
        if not self._begun and len(held) < 4:
            return b""
        if self._begun and held[:1] == b"<" and b">" not in chunk and self._open.match(held):
            return self._give_up() if len(held) > LOOK_AHEAD else b""  # still the same open tag
        return self._scan()

    def end(self) -> bytes:
        """What is left; a page of text alone, without any tag, gets the tag at its end."""
        out = self._scan() if self._held and not self._begun else b""
        if self._tag and not self._held and self._begun and self._whole is _HTML:
            out += self._place()
        return out + self._give_up()

    def _scan(self) -> bytes:
        held, at = self._held, 0
        if not self._begun:
            self._begun = True
            if held.startswith(_WIDE):
                return self._give_up()
        while (at := held.find(b"<", at)) >= 0:
            token = self._whole.match(held, at)
            if token is None or token.end() - at > LOOK_AHEAD:
                return self._stop(at)
            at = token.end()
            if token["head"]:
                self._held = held[at:]
                return held[:at] + self._place() + self._give_up()
            self._html = self._html or token["html"] is not None
        self._held = b""
        return held

    def _stop(self, at: int) -> bytes:
        """At a `<` that is none of them, or not whole yet."""
        passed, held = self._held[:at], self._held[at:]
        self._held = held
        if self._open.match(held):
            waits = len(held) <= LOOK_AHEAD and not (self._whole is _XML and _declares(held))
            return passed if waits else passed + self._give_up()
        if self._whole is _XML and not self._html:
            return passed + self._give_up()
        return passed + self._place() + self._give_up()

    def _place(self) -> bytes:
        self.placed = True
        return self._tag

    def _give_up(self) -> bytes:
        """Everything from here on as it comes."""
        self._tag, held, self._held = b"", self._held, b""
        return held


def _declares(held: bytes) -> bool:
    """A doctype with declarations of its own, where `>` is not its end."""
    return held.startswith(b"<!DOCTYPE") and b"[" in held


def _ignore(why: str) -> None:
    """Nobody counts."""


@dataclass(slots=True, eq=False)
class PageGuard:
    """The guard of one system's pages: where its script is, and where its people sign off."""

    version: str  # of the script's bytes
    integrity: str  # of the same (Subresource Integrity), for policies that trust no address
    public_origin: bytes
    main_url: str  # the main host's page for whoever is not the one signed on
    left_alone: Callable[[str], None] = _ignore  # told why a page went out without

    def guarded(
        self, response: UpstreamResponse, inbound: InboundRequest, kind: bytes, about: str = ""
    ) -> UpstreamResponse:
        """The answer with the script in it, where it is a page that somebody looks at; else itself. `about`: a mark of its patient."""
        if response.status in _NO_PAGE or 300 <= response.status < 400 or not navigates(inbound):
            return response
        disposition = response.header(b"content-disposition") or b""
        if disposition.strip().lower().startswith(b"attachment"):
            return response
        headers, trusted = csp.amended(response.headers, self.public_origin, self.main_url.rstrip("/"), self.integrity)
        why = _cannot(response) or ("sandboxed" if headers is None else "")
        if why or headers is None:
            self.left_alone(why)
            return response
        tag = _tag(self.version, self.integrity if trusted else "", self.main_url, inbound.session, about)
        return self._spliced(response, headers, Splice(tag, xml=kind == XHTML))

    def _spliced(self, response: UpstreamResponse, headers: Headers, splice: Splice) -> UpstreamResponse:
        whole = response.body.whole
        kept = tuple(
            [pair for pair in headers if pair[0] not in (b"content-length", b"etag", b"content-md5", b"digest")]
        )
        if whole == b"":
            return response
        if whole is None:
            body = Body(self._streamed(response.body, splice))
        else:
            page = splice.feed(whole) + splice.end()
            if not splice.placed:
                self.left_alone("no-place")
            body, kept = Body.of(page), (*kept, (b"content-length", b"%d" % len(page)))
        return UpstreamResponse(response.status, kept, body, response.reason, response.close)

    async def _streamed(self, body: Body, splice: Splice) -> AsyncIterator[bytes]:
        async for chunk in body.chunks():
            if out := splice.feed(chunk):
                yield out
        if out := splice.end():
            yield out
        if not splice.placed:
            self.left_alone("no-place")


def navigates(inbound: InboundRequest) -> bool:
    """Whether the answer becomes a page or a frame of one, rather than a script's own."""
    if inbound.method == "HEAD":
        return False
    dest = inbound.header(b"sec-fetch-dest")
    if dest is not None:
        return dest in _NAVIGATED
    accept = inbound.header(b"accept")
    return accept is not None and accept.startswith(_NAVIGATES_WITHOUT_SAYING)


def _cannot(response: UpstreamResponse) -> str:
    """Why bytes cannot be put into this page; empty where they can."""
    if (response.header(b"content-encoding") or b"identity").strip().lower() != b"identity":
        return "packed"
    return "charset" if _NOT_ASCII.search(response.header(b"content-type") or b"") else ""


def session_mark(session: str) -> str:
    """What a page knows of the session that it was made for: enough to tell it from another, and nothing else."""
    return hashlib.sha256(b"page " + session.encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def _tag(version: str, integrity: str, main_url: str, session: str, about: str) -> bytes:
    """Well-formed in HTML and in XML."""
    more = (f' data-about="{about}"' if about else "") + (f' integrity="{integrity}"' if integrity else "")
    words = f'data-session="{session_mark(session)}" data-main="{escape(main_url)}"'
    return f'<script src="{csp.SCRIPT}?v={version}" {words}{more}></script>'.encode("ascii")
