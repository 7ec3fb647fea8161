"""Board connectors of which each breaks one rule of the contract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import httpx2

from connectors import (
    Action,
    BadRequest,
    Body,
    Credential,
    InboundRequest,
    PatientRef,
    Permit,
    Resource,
    SystemMisbehaves,
    SystemUnavailable,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSession,
)

from .connector import BoardConnector


class Misreads(BoardConnector):
    """Takes every request for one about nobody."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        action, resource = await super().describe(inbound)
        return action, replace(resource, patients=frozenset())


class Remembers(BoardConnector):
    """Judges by what it was asked before."""

    before: ClassVar[list[bytes]] = []

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        action, resource = await super().describe(inbound)
        self.before.append(inbound.target)
        return action, replace(resource, route=str(len(self.before)))


class UsesUp(BoardConnector):
    """Reads the body and leaves nothing."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        described = await super().describe(inbound)
        _ = [chunk async for chunk in inbound.body.chunks()]
        return described


class AsksAround(BoardConnector):
    """Asks the system what the request is about."""

    async def open(self, tools: Any) -> None:
        self.tools = tools

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        async with self.tools.client() as client:
            await client.get(f"{self.config.upstream}/who")
        return await super().describe(inbound)


class Stumbles(BoardConnector):
    """Takes every path for ASCII."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        inbound.target.decode("ascii")
        return await super().describe(inbound)


class NoNormalForm(BoardConnector):
    """Takes an id as it stands there."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        action, resource = await super().describe(inbound)
        ids = [PatientRef("system:board", inbound.path.rpartition(b"/")[2].decode("latin-1"))] if inbound.path else []
        return action, replace(resource, patients=resource.patients or frozenset(ids))


class TellsWho(BoardConnector):
    """Repeats the patient in its refusal."""

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        if inbound.method == "BREW":
            raise BadRequest(f"`{inbound.target.decode('latin-1')}` cannot be brewed")
        return await super().describe(inbound)


class Prepares(BoardConnector):
    """A board of which only `changed` differs."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        raise NotImplementedError

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        sent = await super().prepare(inbound, permit, session)
        self.changed(sent, inbound)
        return sent


class Encodes(Prepares):
    """Writes the target its own way."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.target = str(httpx2.URL("http://x" + sent.target.decode())).removeprefix("http://x").encode()


class Exchanges(Prepares):
    """Sends something else than came."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.body = Body.of(b"hosp")


class Shouts(Prepares):
    """Header names as people write them."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.headers = (*sent.headers, (b"X-Ward", b"7"))


class PassesCookies(Prepares):
    """Passes the browser's cookies on."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.headers = (*sent.headers, *(pair for pair in inbound.headers if pair[0] == b"cookie"))


class PassesAuthorization(Prepares):
    """Passes the browser's authorisation on."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.headers = (*sent.headers, *(pair for pair in inbound.headers if pair[0] == b"authorization"))


class Prints(Prepares):
    """Puts the token where it is printed."""

    def changed(self, sent: UpstreamRequest, inbound: InboundRequest) -> None:
        sent.target += b"?token=" + dict(sent.headers).get(b"x-board-token", b"")


class Mixes(BoardConnector):
    """Keeps one session for all."""

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        self.kept = getattr(self, "kept", session)
        return await super().prepare(inbound, permit, self.kept)


class ReadsPieces(BoardConnector):
    """Looks at what has come so far."""

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        beginning = await response.body.peek(16)
        page = UpstreamResponse(response.status, response.headers, Body.of(beginning))
        return await super().disclosed(inbound, page)


class WantsABody(BoardConnector):
    """Takes an answer without a body for an error."""

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        if not await response.body.peek(1):
            raise SystemMisbehaves("the board answered nothing")
        return await super().disclosed(inbound, response)


class Trusts(BoardConnector):
    """Takes every answer for UTF-8."""

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        (await response.body.hold(self.config.hold)).decode("utf-8")
        return await super().disclosed(inbound, response)


class HoldsAll(BoardConnector):
    """Holds whatever comes."""

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        await response.body.peek(64 * 1024 * 1024)
        return await super().disclosed(inbound, response)


class Forgives(BoardConnector):
    """Takes a reset for the end."""

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        try:
            return await super().disclosed(inbound, response)
        except SystemUnavailable:
            response.body = Body.of(b"")
            return frozenset()


class Miscounts(BoardConnector):
    """Changes the answer and leaves its length."""

    async def translate(self, inbound: InboundRequest, response: UpstreamResponse) -> UpstreamResponse:
        body = await response.body.hold(self.config.hold)
        return replace(response, body=Body.of(body + b"\nSeen by the gateway"))


class HalfThere(BoardConnector):
    """Logs on, and cannot tell when it is logged off."""

    is_logged_off: ClassVar[Any] = property()


class NotAsync(BoardConnector):
    """Answers at once where it is waited for."""

    def health(self, client: Any) -> None:  # type: ignore[override]  # that is what is wrong with it
        pass


class TriesAgain(BoardConnector):
    """Tries a refused password again."""

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        try:
            return await super().log_on(credential, client)
        except SystemMisbehaves:
            return await super().log_on(credential, client)


class Follows(BoardConnector):
    """Takes the password wherever it is led."""

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        await client.get(f"{self.config.upstream}/session", follow_redirects=True)
        return await super().log_on(credential, client)


class Complains(BoardConnector):
    """Ends a log-on with an error of its own."""

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        session = await super().log_on(credential, client)
        return UpstreamSession(session.id, self.config.name, {"token": session.state["tokn"]})


class SeesLogOffs(BoardConnector):
    """Takes every page for a log-off."""

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        return b"Hosp" in await response.body.peek(100)


class Absorbs(BoardConnector):
    """Takes a cookie's date on trust."""

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        line = response.header(b"set-cookie") or b""
        session.state["until"] = line.decode("ascii")
        return True


class Eager(BoardConnector):
    """Asks the system as soon as it is opened."""

    async def open(self, tools: Any) -> None:
        async with tools.client() as client:
            await client.get(f"{self.config.upstream}/board")


class ClosesOnce(BoardConnector):
    """Cannot be closed twice."""

    async def open(self, tools: Any) -> None:
        self.kept = {"tools": tools}

    async def close(self) -> None:
        self.kept.pop("tools")
