"""One request and its answer, between ASGI and the socket.

An answer's head is written together with the first part of its body: one system call for most answers. Sending to a browser that
has gone is an error, so that nobody reads on for nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ..errors import ClientGone
from ..outbox import Outbox

_LOG = logging.getLogger("uvicorn.error")
_OUR_CONCERN = frozenset({b"content-length", b"date", b"transfer-encoding", b"connection"})
_FAILED = b"the gateway failed to answer"


class Cycle:
    """Made by the protocol for each request; `over` is called when the answer is whole."""

    __slots__ = ("_bodiless", "_chunked", "_expects", "_flow", "_head", "_left", "_ours", "_outbox", "_over", "_transport",
                 "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "response_started",
                 "scope")  # fmt: skip

    def __init__(
        self,
        scope: dict[str, Any],
        transport: asyncio.Transport,
        flow: FlowControl,
        outbox: Outbox,
        ours: list[tuple[bytes, bytes]],
        over: Callable[[], None],
        *,
        keep_alive: bool,
        expects: bool,
        more_body: bool,
    ) -> None:
        """`ours`: the date, which uvicorn renews each second."""
        self.scope = scope
        self.body = bytearray()
        self.more_body = more_body
        self.message_event = asyncio.Event()
        if not more_body:
            self.message_event.set()
        self.disconnected = False
        self.keep_alive = keep_alive
        self.response_started = False
        self.response_complete = False
        self._transport = transport
        self._flow = flow
        self._outbox = outbox
        self._ours = ours
        self._over = over
        self._expects = expects
        self._head = b""
        self._left = 0  # bytes of the body that are still to come
        self._chunked = False
        self._bodiless = False

    async def run(self, app: Any) -> None:
        """Let the app answer; an answer that it does not finish is cut, never ended as if it were whole."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            if not (self.disconnected and isinstance(error, (ClientGone, asyncio.CancelledError))):
                _LOG.exception("the app failed", exc_info=error)
        if not (self.response_complete or self.disconnected):
            await self._fail()

    async def _fail(self) -> None:
        if self.response_started:
            self._outbox.flush()
            self._transport.close()
            return
        headers = [
            (b"content-type", b"text/plain"),
            (b"content-length", b"%d" % len(_FAILED)),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAILED})

    async def receive(self) -> dict[str, Any]:
        """ASGI: more of the body, or that the browser has gone."""
        if self._expects and not self._transport.is_closing():
            self._outbox.flush()
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects = False
        if not (self.disconnected or self.response_complete):
            self._flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """ASGI: the head (names in lower case), then parts of the body. Raises ClientGone; RuntimeError where a length was a lie."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            raise ClientGone("the browser went away")
        if not self.response_started:
            self._start(message["status"], message.get("headers", ()))
        elif not self.response_complete:
            self._continue(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, code: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self._expects = False
        # They may tell a length that they do not send (RFC 9110, section 8.6).
        self._bodiless = self.scope["method"] == "HEAD" or code in (204, 304)
        lines = [STATUS_LINE[code]]
        measured = dated = False
        for pair in headers:
            name, value = pair
            if name in _OUR_CONCERN:
                if name == b"content-length":
                    self._left, measured = int(value), True
                elif name == b"date":
                    dated = True
                else:
                    self.keep_alive = self.keep_alive and (name != b"connection" or b"close" not in value.lower())
                    continue
            lines.append(b"%b: %b\r\n" % pair)
        if not dated:  # a system's own is passed on, not doubled (RFC 9110, section 6.6.1)
            lines += [b"%b: %b\r\n" % pair for pair in self._ours]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if not (measured or self._bodiless):
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("a header's value holds a line end")
        self._head = head + b"\r\n"

    def _continue(self, body: bytes, *, more: bool) -> None:
        head, self._head = self._head, b""
        if self._bodiless:
            data, self._left = b"", 0
        elif self._chunked:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            data += b"" if more else b"0\r\n\r\n"
        else:
            if len(body) > self._left:
                raise RuntimeError("an answer's body is longer than its declared length")
            data, self._left = body, self._left - len(body)
        if more or self._left:
            self._outbox.flush()
            if head or data:
                self._transport.write(head + data)
            if more:
                return
            raise RuntimeError("an answer's body is shorter than its declared length")
        if head or data:
            self._outbox.put(self._transport, head + data)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._outbox.flush()
            self._transport.close()
        self._over()
