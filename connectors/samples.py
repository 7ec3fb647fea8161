"""Requests and answers as a connector's own suite gives them to the contract, and the tools that the contract opens it with."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from policies.model import Action, PatientRef, Principal

from .base import ConnectorTools
from .messages import Body, Headers, InboundRequest, UpstreamResponse

NOW = 1_800_000_000.0
WHO = Principal("https://sso.test", "lee@trust.test", "Nurse Lee", "Nurse", frozenset({"nurse"}), "A1")
ANOTHER = Principal("https://sso.test", "okafor@trust.test", "Dr Okafor", "Doctor", frozenset({"doctor"}), "A1")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the connector knows, and what it is about. `sent_as`: the target where the connector changes it."""

    target: bytes
    action: Action
    patients: frozenset[PatientRef] = frozenset()
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""
    sent_as: bytes | None = None
    who: Principal = WHO

    def inbound(self) -> InboundRequest:
        return InboundRequest(
            "00",
            self.method,
            self.target,
            self.headers,
            Body.of(self.body),
            length=len(self.body),
            session="one",
            who=self.who,
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the system's, and whom it names."""

    asked: Asked
    headers: Headers
    body: bytes
    patients: frozenset[PatientRef]
    status: int = 200

    def response(self, *, chunk: int = 4096) -> UpstreamResponse:
        """The answer as it streams, `chunk` bytes at a time."""
        return UpstreamResponse(self.status, self.headers, Body(_parts(self.body, chunk)))


async def _parts(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


class Endless:
    """A body that never ends, and how much of it was read."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = beginning
        self.read = 0

    async def stream(self) -> AsyncIterator[bytes]:
        chunk = self._beginning or b" "
        while True:
            self.read += len(chunk)
            yield chunk
            chunk = b" " * 65_536


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """In place of the network: remembers what is asked, and answers as it is told."""

    answer: Callable[[httpx2.Request], httpx2.Response]
    asked: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.asked.append(request)
        return self.answer(request)

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self, follow_redirects=False, trust_env=False)

    def tools(self) -> ConnectorTools:
        return ConnectorTools(self.client, Signed(), lambda: NOW, Signed())

    def carrying(self, secret: str) -> list[httpx2.Request]:
        """The requests that bring `secret` along, as it is or in Basic's base64."""
        return [request for request in self.asked if brings(request, secret)]


def brings(sent: httpx2.Request, secret: str) -> bool:
    values = [value for _, value in sent.headers.raw]
    for value in [value for value in values if value.lower().startswith(b"basic ")]:
        try:
            values.append(base64.b64decode(value[6:]))
        except binascii.Error:
            continue
    return secret.encode() in b"\n".join([*values, sent.content, str(sent.url).encode()])


class Signed:
    """A Sealer that only signs, and a Signer whose word nobody else can check: good enough to tell our own values from others'."""

    def assertion(self, audience: str, claims: Mapping[str, Any]) -> str:
        return self.seal(json.dumps(dict(claims)).encode(), purpose=audience)

    def seal(self, plain: bytes, *, purpose: str) -> str:
        return base64.urlsafe_b64encode(self._mark(plain, purpose) + plain).decode("ascii")

    def unseal(self, token: str, *, purpose: str) -> bytes:
        """Raises ValueError."""
        data = base64.b64decode(token.encode("ascii"), b"-_", validate=True)
        if not hmac.compare_digest(data[:32], self._mark(data[32:], purpose)):
            raise ValueError("not ours")
        return data[32:]

    def _mark(self, plain: bytes, purpose: str) -> bytes:
        return hmac.digest(b"for tests only", purpose.encode() + b"\0" + plain, hashlib.sha256)
