"""Clinicians who never stop: so many requests a second, answered or not, each for something nobody asked for before."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WAIT = 12.0  # seconds that a clinician waits for an answer
_IDLE = 20.0  # seconds for which a connection is kept
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Kept = tuple[Streams, float]  # and since when nobody uses it
_WRITE_EVERY = 10
_MOST_AT_ONCE = 600


@dataclass(slots=True)
class Look:
    """One request and what came of it."""

    clinician: int
    target: str
    mark: str
    write: bool
    sent: float  # wall clock
    came: float = 0.0
    status: int = 0  # 0: no whole answer
    body: bytes = b""
    page: bytes = b""  # of ours, where it is one: what stands there for nobody else

    @property
    def right(self) -> bool:
        """A whole answer, to this very question."""
        return self.status in (200, 201) and self._own

    @property
    def wrong(self) -> bool:
        """A whole answer to somebody else's question."""
        return self.status in (200, 201) and not self._own

    @property
    def _own(self) -> bool:
        return (self.page or json.dumps({"id": self.mark})[1:-1].encode()) in self.body

    @property
    def took(self) -> float:
        return self.came - self.sent


@dataclass
class Wire:
    """HTTP/1.1 to one port, on connections that are kept."""

    port: int
    bad: bool = False  # known to be: it uses a connection again whose answer it did not wait for
    _kept: list[Kept] = field(default_factory=list)

    async def ask(self, request: bytes, wait: float = WAIT) -> tuple[int, bytes]:
        """Status and whole body; (0, b"") where none came."""
        writer = None
        try:
            async with asyncio.timeout(wait):
                streams = self._another() or await asyncio.open_connection("127.0.0.1", self.port)
                writer = streams[1]
                writer.write(request)
                status, body, again = await _answer(streams[0])
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            if writer is not None and self.bad and not writer.is_closing():
                self._kept.append((streams, time.monotonic()))
            elif writer is not None:
                writer.close()
            return 0, b""
        except asyncio.CancelledError:
            if writer is not None:
                writer.close()
            raise
        if again:
            self._kept.append((streams, time.monotonic()))
        else:
            writer.close()
        return status, body

    def _another(self) -> Streams | None:
        """A kept one. What nobody used for a while the other side may be about to close: browsers leave it, too."""
        while self._kept:
            streams, since = self._kept.pop()
            if time.monotonic() - since < _IDLE:
                return streams
            streams[1].close()
        return None

    def close(self) -> None:
        for (_, writer), _ in self._kept:
            writer.close()
        self._kept.clear()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return int(head[0].split(" ")[1]), body, fields.get("connection") != "close"


def navigation(host: str, target: str, cookie: str) -> bytes:
    """What a browser asks that goes to a page."""
    return (
        f"GET {target} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\naccept: text/html\r\nsec-fetch-site: same-origin\r\n"
        "sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nuser-agent: Mozilla/5.0 (X11)\r\n\r\n"
    ).encode()


@dataclass
class Load:
    """Runs on a loop until told to end; `looks` grows as answers come."""

    port: int
    url: str  # of the system, as browsers have it
    cookies: list[str]  # the Cookie line of each clinician there
    rate: float
    looks: list[Look] = field(default_factory=list)
    # During the fault: pages that somebody went to, and how many records the system was asked for.
    seen_meanwhile: list[tuple[int, bytes]] = field(default_factory=list)
    asked_meanwhile: int = 0
    waiting: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _over: bool = False
    name: str = "mark"

    async def run(self) -> None:
        wire, begun, sent = Wire(self.port), time.monotonic(), 0
        try:
            async with asyncio.TaskGroup() as group:
                while not self._over:
                    due = int((time.monotonic() - begun) * self.rate)
                    for _ in range(due - sent):
                        if self.waiting < _MOST_AT_ONCE:
                            group.create_task(self._one(wire, next(self._numbers)))
                    sent = due
                    await asyncio.sleep(0.005)  # the pace, not a wait
        finally:
            wire.close()

    def end(self) -> None:
        """No more questions; what was asked is waited for."""
        self._over = True

    async def _one(self, wire: Wire, number: int) -> None:
        clinician, mark = number % len(self.cookies), f"{self.name}-{number}"
        write = number % _WRITE_EVERY == _WRITE_EVERY - 1
        look = Look(clinician, "/Observation" if write else f"/Patient/{mark}", mark, write, time.time())
        self.waiting += 1
        look.status, look.body = await wire.ask(self.request(look))
        look.came = time.time()
        self.waiting -= 1
        self.looks.append(look)

    def request(self, look: Look) -> bytes:
        origin, host = self.url, urlsplit(self.url).netloc
        lines = [f"host: {host}", f"cookie: {self.cookies[look.clinician]}", "accept: application/fhir+json",
                 "sec-fetch-site: same-origin", "sec-fetch-mode: cors", "sec-fetch-dest: empty"]  # fmt: skip
        body = b""
        if look.write:
            body = json.dumps({"resourceType": "Observation", "subject": {"reference": f"Patient/{look.mark}"},
                               "note": [{"text": look.mark}]}).encode()  # fmt: skip
            lines += [f"origin: {origin}", "content-type: application/fhir+json", f"content-length: {len(body)}"]
        head = "\r\n".join([f"{'POST' if look.write else 'GET'} {look.target} HTTP/1.1", *lines, "", ""])
        return head.encode() + body

    def statuses(self) -> Counter[int]:
        return Counter(look.status for look in self.looks)

    def slowest(self, since: float, until: float, share: float = 0.99) -> float:
        """How long that share of what was asked between two moments took at most, in seconds."""
        took = sorted(look.took for look in self.looks if since <= look.sent < until)
        return took[min(int(len(took) * share), len(took) - 1)] if took else 0.0
