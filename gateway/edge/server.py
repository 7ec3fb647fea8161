"""The socket: uvicorn under a protocol of ours that reads heads itself; llhttp reads again those that bring a body, and the body.

Sizes are counted as bytes arrive, deadlines are kept by one sweep for all connections, and the raw request target goes to the app
as `scope["lanyard.target"]`. What follows a request before its answer (pipelining) is not read: the connection ends with that
answer. A browser that goes away is `http.disconnect` to the app, ClientGone to whoever sends to it, and a cancellation where the
app has set `scope["lanyard.stoppable"]`.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..outbox import Outbox
from . import descriptors
from .accepting import Acceptor
from .cycle import Cycle
from .deadlines import Deadlines
from .framing import LONGEST_HEAD, LONGEST_LINE, Head, Refused, read, status

_OVERHEAD = 64 * 1024  # bytes of chunk framing beyond what a body's size explains
_SPEAKS_WITHIN = 0.25  # seconds, where others wait for a place
_REASONS = {400: b"Bad Request", 405: b"Method Not Allowed", 408: b"Request Timeout", 414: b"URI Too Long", 417: b"Expectation Failed",
            421: b"Misdirected Request", 431: b"Request Header Fields Too Large", 501: b"Not Implemented",
            503: b"Service Unavailable", 505: b"HTTP Version Not Supported"}  # fmt: skip

Rejected = Callable[[str, str], None]


class LanyardProtocol(HttpToolsProtocol):
    """Made for each connection by uvicorn; `rejected(source, reason)` hears of every refusal."""

    rejected: Rejected = staticmethod(lambda source, reason: None)
    deadlines = Deadlines()
    most = 1 << 30  # connections at once
    silent: ClassVar[
        dict[LanyardProtocol, float]
    ] = {}  # those that never said anything, the oldest first, and since when
    leaving = False  # each answer is the last of its connection

    outbox: Outbox | None = None
    cycle: Cycle | None  # type: ignore[assignment]  # ours, not uvicorn's
    _task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it likewise
        super().connection_made(transport)
        kind = type(self)  # one for each server: all its connections write together
        if kind.outbox is None or kind.outbox.loop is not self.loop:
            kind.outbox = Outbox(self.loop)
        self._outbox = kind.outbox
        self._buffer = b""
        self._reading: Head | None = None  # while a body is read
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
        if len(self.connections) > self.most and not self._took_a_silent_one_s_place():
            self.refuse(Refused.TOO_MANY)
        else:
            self.silent[self] = self._since

    def _took_a_silent_one_s_place(self) -> bool:
        """Whoever says nothing holds no place that somebody else wants."""
        oldest = next(iter(self.silent), None)
        if oldest is None or self._since - self.silent[oldest] < _SPEAKS_WITHIN:
            return False
        del self.silent[oldest]
        oldest.refuse(Refused.TOO_MANY)
        return True

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._refusing or self.transport.is_closing():
            return
        if self._reading is not None:
            self._read_body(data)
        elif not self._ended or (self.cycle is not None and not self.cycle.response_complete):
            self._pipelined()
        else:
            self._read_head(data)

    def _read_head(self, data: bytes) -> None:
        if not self._buffer:
            self.silent.pop(self, None)
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
        judged = read(head)
        if isinstance(judged, Refused):
            self.refuse(judged)
        else:
            self._begin(head, rest, judged)

    def _bound(self, buffer: bytes) -> None:
        """A head that is still coming is refused as soon as it cannot become a good one."""
        line = buffer.find(b"\n")
        if line < 0 and len(buffer) > LONGEST_LINE:
            self.refuse(Refused.LINE_TOO_LONG)
        elif len(buffer) > LONGEST_HEAD:
            self.refuse(Refused.HEAD_TOO_LARGE)
        elif line == 0 or (line > 0 and buffer[line - 1 : line] != b"\r") or b"\n\n" in buffer:
            self.refuse(Refused.MALFORMED)

    def _begin(self, raw: bytes, rest: bytes, head: Head) -> None:
        self._since = self.loop.time()
        if head.length == 0:
            self._ask(head, more_body=False)
            if rest:
                self._pipelined()
            return
        self._ended = False
        self._in_head = True
        self._reading, self._left = head, head.length
        self._fed = self._body_bytes = self._trailer_bytes = 0
        self.flow.resume_reading()
        if not self._feed(raw):
            return
        self._in_head = False
        self._ask(head, more_body=True)
        if rest:
            self._read_body(rest)

    def _ask(self, head: Head, *, more_body: bool) -> None:
        """The request goes to the app."""
        path, _, query = head.target.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "method": head.method,
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": "",
            "headers": head.headers,
            "path": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "lanyard.target": head.target,
        }
        self.cycle = cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self._outbox,
            self.server_state.default_headers,
            self.on_response_complete,
            keep_alive=head.keep_alive and not self.leaving,
            expects=head.expects,
            more_body=more_body,
        )
        self._task = task = self.loop.create_task(cycle.run(self.app), name="request", context=contextvars.Context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _read_body(self, data: bytes) -> None:
        assert self._reading is not None
        if self._reading.length == Head.CHUNKED:
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
            self._close()

    def _close(self) -> None:
        """End the connection; an answer that is whole goes out before."""
        self._outbox.flush()
        self.transport.close()

    def shutdown(self) -> None:
        self._outbox.flush()
        super().shutdown()

    def refuse(self, reason: Refused) -> None:
        """A short answer and the end of the connection; the app, if it was asked already, hears of a disconnect."""
        if self._refusing:
            return
        self._refusing = True
        self.rejected(self._source(), reason)
        cycle = self.cycle
        if cycle is not None and cycle.response_complete:
            cycle = None
        if cycle is None or not cycle.response_started:
            code = status(reason)
            words = b"request refused: " + reason.value.encode()
            self._outbox.flush()
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\ncache-control: no-store\r\n"
                b"%bconnection: close\r\n\r\n%s"
                % (code, _REASONS[code], len(words), b"retry-after: 3\r\n" if code == 503 else b"", words)
            )
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.silent.pop(self, None)
        if self._task is not None and self.cycle is not None and self.cycle.scope.get("lanyard.stoppable"):
            self._task.cancel()

    def _source(self) -> str:
        return self.client[0] if self.client else ""

    # llhttp's callbacks: a head again, then its body

    def on_message_begin(self) -> None:
        if not self._in_head:
            raise ValueError("a second message where none may be")

    def on_url(self, url: bytes) -> None:
        """Read already."""

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            return
        self._trailer_bytes += len(name) + len(value)
        if self._trailer_bytes > LONGEST_LINE:
            raise ValueError("too many trailers")

    def on_headers_complete(self) -> None:
        """Nothing: the head was read already, and this is the second opinion."""

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._ended = True
        self._reading = None
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not self._ended:
            # The answer came before the request was whole: what is still coming belongs to nobody.
            self._close()
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
                self._close()
            else:
                self.refuse(Refused.TOO_SLOW)

    def _overdue(self, waited: float) -> bool:
        if self._reading is not None:
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
    protocol: type[LanyardProtocol] = LanyardProtocol

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Sockets that it is given may be others' too: connections are taken one by one."""
        if sockets is None:
            await super().startup()
            return
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            return self.protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        self.servers = [Acceptor(one, protocol, self.config.ssl) for one in sockets]  # type: ignore[misc]  # as much of a server as is asked of it
        self.started = True

    async def sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.should_exit:
            await asyncio.sleep(self.deadlines.sweep)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, LanyardProtocol):
                    connection.look(now)

    async def leave(self, idle: float) -> None:
        """Somebody else serves from now on: take nobody new, and end each connection with its answer.

        A connection that is kept may still have a question on its way: it is closed after `idle` seconds without one.
        """
        while not self.started:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.01)
        for listener in self.servers:
            listener.close()
        self.protocol.leaving = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, LanyardProtocol) and connection.cycle is not None:
                connection.cycle.keep_alive = False
        until = asyncio.get_running_loop().time() + idle

        while self.server_state.connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody new; who was let in a moment ago may still ask, since its question is on its way."""
        for listener in self.servers:
            listener.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + _SPEAKS_WITHIN
        while self.protocol.silent and loop.time() < until:  # noqa: ASYNC110 - each connection ends its wait by itself
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)

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
    Protocol.silent = {}
    descriptors.take_all()
    Protocol.most = descriptors.most_connections()
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        interface="asgi3",
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
    made.deadlines, made.protocol = deadlines, Protocol
    return made
