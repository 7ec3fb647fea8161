"""Writes that met a session that was over: kept for whoever wrote them, so that nothing typed is lost.

Sealed, for the same clinician, 64 KiB, a quarter of an hour. What is kept is never sent by itself: the clinician sees it with its
system, patient and time, and sends it by hand, and only into the upstream session whose page it was written on. Otherwise its text
is there to copy: in another upstream session its hidden fields and its patient would be somebody else's. One alone goes on by itself: a
write that met a session in good order whose cookie at that host had lapsed, once the cookie is renewed.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any

from connectors.messages import InboundRequest
from policies.model import PatientRef, Principal

from .leases import Lease, Leases
from .stores.base import CodeStore, key_hash

LARGEST = 64 * 1024  # bytes of a body
SENT_AS = "lanyard-kept"  # the one field, of plain text, by which a kept write is sent from where it was written
CLICK = len(f"{SENT_AS}={'0' * 32}\r\n")  # bytes of that form
LIFE = 15 * 60.0  # seconds
GOES_ON = 60.0  # seconds in which a write goes on by itself
_MOST = 10  # of one clinician at a time


@dataclass(frozen=True, slots=True)
class KeptWrite:
    """A form as it was sent, and into what it may go on."""

    id: str
    at: float
    system: str
    title: str
    host: str
    target: bytes
    content_type: bytes
    referer: bytes
    body: bytes
    patients: tuple[PatientRef, ...]
    session: str  # that it was written in
    upstream: str  # the log-on that its page came from, and where it had come to; empty where the system has none
    held: bool = False  # only while a cookie is renewed

    def to_json(self) -> bytes:
        value = asdict(self)
        for name in ("target", "content_type", "referer", "body"):
            value[name] = base64.b64encode(value[name]).decode()
        return json.dumps(value).encode()

    @classmethod
    def from_json(cls, data: bytes) -> KeptWrite:
        value: dict[str, Any] = json.loads(data)
        for name in ("target", "content_type", "referer", "body"):
            value[name] = base64.b64decode(value[name])
        value["patients"] = tuple(PatientRef(**ref) for ref in value["patients"])
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Waiting:
    """That something waits for the clinician, and where."""

    id: str
    at: float
    title: str
    host: str


class KeptWrites:
    def __init__(self, store: CodeStore, leases: Leases, now: Callable[[], float]) -> None:
        self._store = store
        self._leases = leases
        self._now = now

    async def keep(self, person: Principal, write: KeptWrite) -> None:
        """Raises StoreUnavailable."""
        now = self._now()
        await self._store.put_code("kept", _key(person, write.id), write.to_json(), now + LIFE)
        async with self._listing(person):
            waiting = [*await self.waiting(person), Waiting(write.id, write.at, write.title, write.host)][-_MOST:]
            await self._list(person, waiting)

    async def read(self, person: Principal, host: str, write_id: str) -> KeptWrite | None:
        """Whoever else asks, or at another system's host, gets nothing."""
        return _at(host, await self._store.read_code("kept", _key(person, write_id), self._now()))

    async def take(self, person: Principal, host: str, write_id: str) -> KeptWrite | None:
        """Once: what has been sent or thrown away is not there any more."""
        if await self.read(person, host, write_id) is None:
            return None
        taken = await self._store.take_code("kept", _key(person, write_id), self._now())
        async with self._listing(person):
            await self._list(person, [one for one in await self.waiting(person) if one.id != write_id])
        return _at(host, taken)

    async def waiting(self, person: Principal) -> list[Waiting]:
        """Oldest first."""
        listed = await self._store.read_code("kept-of", key_hash(person.issuer, person.subject), self._now())
        found = [Waiting(**one) for one in json.loads(listed)] if listed else []
        return [one for one in found if self._now() - one.at < LIFE]

    def _listing(self, person: Principal) -> AbstractAsyncContextManager[Lease]:
        """Two forms at the same time are both listed."""
        return self._leases.held("kept-of", person.issuer, person.subject)

    async def _list(self, person: Principal, waiting: list[Waiting]) -> None:
        value = json.dumps([asdict(one) for one in waiting]).encode()
        await self._store.put_code("kept-of", key_hash(person.issuer, person.subject), value, self._now() + LIFE)


def write_of(
    inbound: InboundRequest,
    body: bytes,
    at: float,
    *,
    system: str,
    title: str,
    session: str,
    upstream: str,
    patients: tuple[PatientRef, ...],
    held: bool,
) -> KeptWrite:
    """The parts of a request that sending it later needs."""
    return KeptWrite(
        id=secrets.token_hex(16),
        at=at,
        system=system,
        title=title,
        host=inbound.host,
        target=inbound.target,
        content_type=inbound.header(b"content-type") or b"",
        referer=inbound.header(b"referer") or b"",
        body=body,
        patients=patients,
        session=session,
        upstream=upstream,
        held=held,
    )


def _key(person: Principal, write_id: str) -> str:
    return key_hash(person.issuer, person.subject, write_id)


def _at(host: str, kept: bytes | None) -> KeptWrite | None:
    write = KeptWrite.from_json(kept) if kept else None
    return write if write is not None and write.host == host else None
