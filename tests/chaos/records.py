"""The system behind the gateway: every patient exists there, and it keeps every write that came whole, however often."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field

from . import old

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Records:
    """Answers on the loop that starts it; each answer holds the last part of what was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    asked_at: dict[str, float] = field(default_factory=dict)  # by the last part of what was asked for
    written: Counter[str] = field(default_factory=Counter)  # the marks of writes, and how often each came whole
    log_ons: Counter[str] = field(default_factory=Counter)  # tries at the login page, by user name and word
    halves: int = 0  # writes whose body did not come to its end
    delay: float = 0.0  # seconds before each answer
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await self._answer(reader))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked was killed, or has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target = head.split(b" ", 2)[:2]
        mark = target.decode().rpartition("/")[2]
        if not target.startswith((b"/Patient", b"/Observation")):
            return await old.answer(
                self.log_ons, method, target, head, await self._body(head, reader) if method == b"POST" else b""
            )
        if method == b"POST":
            mark = json.loads(await self._body(head, reader))["note"][0]["text"]
            self.written[mark] += 1
        else:
            self.asked.append(target.decode())
            self.asked_at[mark] = time.time()
        if self.delay:
            await asyncio.sleep(self.delay)
        body = json.dumps({"resourceType": "Patient" if method == b"GET" else "Observation", "id": mark}).encode()
        status = b"200 OK" if method == b"GET" else b"201 Created"
        return b"HTTP/1.1 %s\r\ncontent-type: application/fhir+json\r\ncontent-length: %d\r\n\r\n%s" % (
            status, len(body), body)  # fmt: skip

    async def _body(self, head: bytes, reader: asyncio.StreamReader) -> bytes:
        try:
            if found := _LENGTH.search(head):
                return await reader.readexactly(int(found[1]))
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        except asyncio.IncompleteReadError:
            self.halves += 1
            raise
        return body
