"""The board connector: `/beds/…` shows one patient as plain text, to whoever brings the token of a log-on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connectors import (
    Action,
    AnswerTooLarge,
    Body,
    BodyTooLarge,
    ConnectorTools,
    Credential,
    CredentialRefused,
    Headers,
    InboundRequest,
    NotBrokered,
    PatientRef,
    Permit,
    Resource,
    RouteTable,
    SystemConfig,
    SystemMisbehaves,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSession,
    reference,
)

if TYPE_CHECKING:
    import httpx2

ROUTES: list[dict[str, Any]] = [
    {"id": "bed", "path": "/beds/{id}", "action": "read", "kind": "demographics",
     "patient": {"in": "path", "name": "id"}, "parameters": ["view"]},
    {"id": "board", "path": "/board", "action": "list", "kind": "list"},
    {"id": "move", "methods": ["POST"], "path": "/moves", "action": "write", "kind": "appointment",
     "patient": {"in": "form", "name": "hosp"}},
]  # fmt: skip
_NUMBER = re.compile(r"Hosp No: *([A-Z][0-9]{1,20})\b")
_NOT_PASSED = (b"cookie", b"authorization", b"proxy-authorization")


class BoardConnector:
    def __init__(self, config: SystemConfig) -> None:
        self.config = config
        self._namespace = f"system:{config.name}"
        self._routes = RouteTable.declared(ROUTES, charset="utf-8", system=config.name)

    async def open(self, tools: ConnectorTools) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        if (described := await self._routes.describe(inbound)) is None:
            raise NotBrokered("the board has no such page")
        return described

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        headers: Headers = tuple(pair for pair in inbound.headers if pair[0] not in _NOT_PASSED)
        if session is not None:
            headers = (*headers, (b"x-board-token", session.state["token"].encode()))
        return UpstreamRequest(
            inbound.method, inbound.target, headers, inbound.body, inbound.length, expects_identity=True
        )

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        try:
            body = await response.body.hold(self.config.hold)
        except BodyTooLarge:
            raise AnswerTooLarge("the board's answer is too long to be read") from None
        if not body:
            return frozenset()
        if not (response.header(b"content-type") or b"").startswith(b"text/plain"):
            raise SystemMisbehaves("the board answered with something else than plain text")
        try:
            numbers = _NUMBER.findall(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise SystemMisbehaves("the board answered in another charset") from None
        return frozenset([ref for number in numbers if (ref := reference(self._namespace, number))])

    async def translate(self, inbound: InboundRequest, response: UpstreamResponse) -> UpstreamResponse:
        body = await response.body.hold(self.config.hold)
        body = body.replace(self.config.upstream.encode(), self.config.public_origin.encode())
        headers = tuple(pair for pair in response.headers if pair[0] != b"content-length")
        headers = (*headers, (b"content-length", str(len(body)).encode()))
        return UpstreamResponse(response.status, headers, Body.of(body), response.reason, response.close)

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        who = {"user": credential.username, "word": credential.secret}
        answer = await client.post(f"{self.config.upstream}/session", json=who)
        if answer.status_code == 401:
            raise CredentialRefused("the board did not take your password")
        if answer.status_code != 201 or not answer.content.isalnum():
            raise SystemMisbehaves(f"the board answered a log-on with status {answer.status_code}")
        return UpstreamSession("board-1", self.config.name, {"token": answer.content.decode("ascii")})

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        return response.status == 401

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        return False

    async def log_off(self, session: UpstreamSession, client: httpx2.AsyncClient) -> None:
        await client.delete(f"{self.config.upstream}/session", headers={"x-board-token": session.state["token"]})

    def named_parameters(self, inbound: InboundRequest) -> tuple[tuple[str, str], ...]:
        return self._routes.named_parameters(inbound)

    async def health(self, client: httpx2.AsyncClient) -> None:
        answer = await client.get(f"{self.config.upstream}/board")
        if answer.status_code not in (200, 401):
            raise SystemMisbehaves(f"the board answered with status {answer.status_code}")
