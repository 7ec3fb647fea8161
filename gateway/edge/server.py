"""The socket: uvicorn with llhttp under a protocol of ours that reads heads itself before llhttp does.

Sizes are counted as bytes arrive, deadlines are kept by one sweep for all connections, and the raw request target goes to the app
as `scope["lanyard.target"]`. What follows a request before its answer (pipelining) is not read: the connection ends with that
answer. A browser that goes away is `http.disconnect` to the app, ClientGone to whoever sends to it, and a cancellation where the
app has set `scope["lanyard.stoppable"]`.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ..errors import ClientGone
from .deadlines import Deadlines
from .framing import LONGEST_HEAD, LONGEST_LINE, Framing, Refused, frame, status

_OVERHEAD = 64 * 1024  # bytes of chunk framing beyond what a body's size explains
_REASONS = {400: b"Bad Request", 405: b"Method Not Allowed", 408: b"Request Timeout", 414: b"URI Too Long", 417: b"Expectation Failed",
            421: b"Misdirected Request", 431: b"Request Header Fields Too Large", 501: b"Not Implemented",
            505: b"HTTP Version Not Supported"}  # fmt: skip

Rejected = Callable[[str, str], None]


class Cycle(RequestResponseCycle):
    """One exchange; sending to a browser that has gone is an error, so that nobody reads on for nobody.

    An answer's head is written together with the first part of its body: one system call for most answers.
    """

    _head = b""
    _bodiless = False

    async def run_asgi(self, app: Any) -> None:
        async def until_gone(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except (ClientGone, asyncio.CancelledError):
                if not self.disconnected:
                    raise

        await super().run_asgi(until_gone)

    async def send(self, message: Any) -> None:
        if self.disconnected:
            raise ClientGone("the browser went away")
        if self.flow.write_paused:
            await self.flow.drain()
            if self.disconnected:
                raise ClientGone("the browser went away")
        if not self.response_started:
            self._start(message["status"], message.get("headers", ()))
        elif not self.response_complete:
            self._continue(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, code: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        # They may tell a length that they do not send (RFC 9110, section 8.6).
        self._bodiless = self.scope["method"] == "HEAD" or code in (204, 304)
        lines = [STATUS_LINE[code]]
        for name, value in (*self.default_headers, *headers):
            if b"\n" in value or b"\r" in value:
                raise RuntimeError("a header's value holds a line end")
            folded = name.lower()
            if folded == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif folded == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            elif folded == b"transfer-encoding":
                continue
            lines.append(b"%s: %s\r\n" % (folded, value))
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and not self._bodiless:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def _continue(self, body: bytes, *, more: bool) -> None:
        head, self._head = self._head, b""
        if self._bodiless:
            data, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            data = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            data += b"" if more else b"0\r\n\r\n"
        else:
            if len(body) > self.expected_content_length:
                raise RuntimeError("an answer's body is longer than its declared length")
            data, self.expected_content_length = body, self.expected_content_length - len(body)
        if head or data:
            self.transport.write(head + data)
        if more:
            return
        if self.expected_content_length != 0:
            raise RuntimeError("an answer's body is shorter than its declared length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class LanyardProtocol(HttpToolsProtocol):
    """Made for each connection by uvicorn; `rejected(source, reason)` hears of every refusal."""

    rejected: Rejected = staticmethod(lambda source, reason: None)
    deadlines = Deadlines()

    _task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it likewise
        super().connection_made(transport)
        self._buffer = b""
        self._framing: Framing | None = None  # while a body is read
        self._left = 0
        self._fed = 0
        self._body_bytes = 0
        self._trailer_bytes = 0
        self._in_head = True
        self._refusing = False
        self._ended = True
        self._since = self.loop.time()
        self._waiting_for_first = True
        self._stalled_since = 0.0  # the browser takes nothing; 0: it does

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._refusing or self.transport.is_closing():
            return
        if self._framing is not None:
            self._read_body(data)
        elif not self._ended or (self.cycle is not None and not self.cycle.response_complete):
            self._pipelined()
        else:
            self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        if not self._buffer:
            self._since = self.loop.time()
            self._waiting_for_first = False
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            self._bound(buffer)
            return
        head, rest = buffer[: end + 4], buffer[end + 4 :]
        self._buffer = b""
        framing = frame(head)
        if isinstance(framing, Refused):
            self.refuse(framing)
            return
        self._begin(head, rest, framing)

    def _bound(self, buffer: bytes) -> None:
        """A head that is still coming is refused as soon as it cannot become a good one."""
        line = buffer.find(b"\n")
        if line < 0 and len(buffer) > LONGEST_LINE:
            self.refuse(Refused.LINE_TOO_LONG)
        elif len(buffer) > LONGEST_HEAD:
            self.refuse(Refused.HEAD_TOO_LARGE)
        elif line == 0 or (line > 0 and buffer[line - 1 : line] != b"\r") or b"\n\n" in buffer:
            self.refuse(Refused.MALFORMED)

    def _begin(self, head: bytes, rest: bytes, framing: Framing) -> None:
        self._ended = False
        self._in_head = True
        self._framing, self._left = (framing, framing.length) if framing.length else (None, 0)
        self._fed = self._body_bytes = self._trailer_bytes = 0
        self._since = self.loop.time()
        if not self._feed(head):
            return
        self._in_head = False
        if self._framing is not None:
            if rest:
                self._read_body(rest)
        elif rest:
            self._pipelined()

    def _read_body(self, data: bytes) -> None:
        assert self._framing is not None
        if self._framing.length == Framing.CHUNKED:
            self._fed += len(data)
            if self._feed(data) and self._fed - self._body_bytes > _OVERHEAD + 8 * self._body_bytes:
                self.refuse(Refused.BODY)
            return
        body, extra = data[: self._left], data[self._left :]
        self._left -= len(body)
        if self._feed(body) and extra:
            self._pipelined()

    def _feed(self, data: bytes) -> bool:
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._ended:
                self._pipelined()
            else:
                self.refuse(Refused.MALFORMED if self._in_head else Refused.BODY)
            return False
        return not self._refusing

    def _pipelined(self) -> None:
        """What comes before its turn is not read; the connection ends after the answer that is due."""
        self.rejected(self._source(), Refused.PIPELINED)
        self._refusing = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def refuse(self, reason: Refused) -> None:
        """A short answer and the end of the connection; the app, if it was asked already, hears of a disconnect."""
        if self._refusing:
            return
        self._refusing = True
        self.rejected(self._source(), reason)
        running = self.cycle is not None and not self.cycle.response_complete
        if not (running and self.cycle.response_started):
            code = status(reason)
            words = b"request refused: " + reason.value.encode()
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\ncache-control: no-store\r\n"
                b"connection: close\r\n\r\n%s" % (code, _REASONS[code], len(words), words)
            )
        if running:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.flow.resume_writing()
        self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app), context=contextvars.Context())
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._task is not None and self.scope is not None and self.scope.get("lanyard.stoppable"):
            self._task.cancel()

    def _source(self) -> str:
        return self.client[0] if self.client else ""

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        if not self._in_head:
            raise ValueError("a second message where none may be")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value)
        if self._trailer_bytes > LONGEST_LINE:
            raise ValueError("too many trailers")

    def on_headers_complete(self) -> None:
        scope = cast("dict[str, Any]", self.scope)
        path, _, query = self.url.partition(b"?")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = self.parser.get_http_version()
        scope["lanyard.target"] = self.url
        scope["raw_path"] = path
        scope["path"] = (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1")
        scope["query_string"] = query
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=scope["http_version"] == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._ended = True
        self._framing = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not self._ended:
            # The answer came before the request was whole: what is still coming belongs to nobody.
            self.transport.close()
            return
        self.flow.resume_reading()
        self._since = self.loop.time()
        self._waiting_for_first = True

    # Deadlines

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = 0.0

    def look(self, now: float) -> None:
        """End this connection if it has kept us waiting for too long."""
        if self.transport.is_closing() and not self._stalled_since:
            self._stalled_since = now
        if self._stalled_since and now - self._stalled_since > self.deadlines.stalled:
            self.rejected(self._source(), Refused.TOO_SLOW)
            self.transport.abort()
        elif not self.transport.is_closing() and self._overdue(now - self._since):
            if self._waiting_for_first and self.cycle is not None:
                self.transport.close()
            else:
                self.refuse(Refused.TOO_SLOW)

    def _overdue(self, waited: float) -> bool:
        if self._framing is not None:
            late = waited - self.deadlines.body_grace
            return late > 0 and not self.flow.read_paused and self._body_bytes < late * self.deadlines.body_rate
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        if self._waiting_for_first and self.cycle is not None:
            return waited > self.deadlines.idle
        return waited > self.deadlines.head


class LanyardServer(uvicorn.Server):
    """uvicorn's server with the sweep beside it, and signals left to whoever runs it."""

    deadlines = Deadlines()

    async def sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.should_exit:
            await asyncio.sleep(self.deadlines.sweep)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, LanyardProtocol):
                    connection.look(now)

    async def serve_quietly(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve without taking over the process's signals."""
        sweeping = asyncio.get_running_loop().create_task(self.sweep(), name="connection-deadlines")
        try:
            await self._serve(sockets)
        finally:
            sweeping.cancel()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        sweeping = asyncio.get_running_loop().create_task(self.sweep(), name="connection-deadlines")
        try:
            await super().serve(sockets)
        finally:
            sweeping.cancel()


def server(
    app: Any,
    *,
    listen: str,
    rejected: Rejected,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    drain: float = 25.0,
    deadlines: Deadlines = Deadlines(),
) -> LanyardServer:
    """A server for `app` at `listen` (`address:port`), to be run with `serve()`; `drain` in seconds."""
    host, _, port = listen.rpartition(":")

    class Protocol(LanyardProtocol):
        pass

    Protocol.rejected = staticmethod(rejected)
    Protocol.deadlines = deadlines
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=True,
        access_log=False,
        log_config=None,
        backlog=2048,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        timeout_graceful_shutdown=int(drain),
        reset_contextvars=True,
    )
    made = LanyardServer(config)
    made.deadlines = deadlines
    return made
