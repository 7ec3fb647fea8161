"""Clinicians who work: looks at a system through the gateway, over connections that are kept, by cookies of shifts that were seated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from .desk import chunks
from .seats import PATIENTS, ROUTES

_KEPT = 30.0  # seconds, as docs/faults.md asks of a balancer: shorter than the gateway's


@dataclass
class Looks:
    """Connections are taken up again, the latest first, so that no more are open than are needed."""

    port: int
    host: str
    cookies: Sequence[str]
    _idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def look(self, number: int) -> None:
        """Raises RuntimeError where it is refused."""
        if (status := await self.status(number)) != 200:
            raise RuntimeError(f"a look answered {status}")

    async def status(self, number: int) -> int:
        return await self._exchange(self._request(number))

    def close(self) -> None:
        for _, _, writer in self._idle:
            writer.close()
        self._idle.clear()

    def _request(self, number: int) -> bytes:
        target = f"/part{number % ROUTES}/patient/{100000 + number * 7 % PATIENTS}?view=summary"
        cookie = self.cookies[number % len(self.cookies)]
        return (
            f"GET {target} HTTP/1.1\r\nhost: {self.host}\r\ncookie: __Host-lanyard={cookie}\r\naccept: text/html\r\n"
            "sec-fetch-site: same-origin\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n"
            "user-agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n"
        ).encode()

    async def _exchange(self, request: bytes) -> int:
        reader, writer = self._kept() or await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await (chunks(reader) if b"transfer-encoding: chunked" in head else reader.readexactly(_length(head)))
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((time.monotonic(), reader, writer))
        return int(head.split(b" ", 2)[1])

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The latest one; where that has been idle for too long, so have all of them."""
        if self._idle and time.monotonic() - self._idle[-1][0] > _KEPT:
            self.close()
        return self._idle.pop()[1:] if self._idle else None


def _length(head: bytes) -> int:
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
