"""A web system as its routes declare it: all that does not depend on how one logs on there.

Requests are described by the route table, go on as they came with the cookies of their own upstream session, and the cookies
of answers are kept in it. What a log-on is, a connector adds.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from policies.decision import Permit
from policies.model import Action, Disclosure, PatientRef, Resource

from .base import ConnectorTools, SystemConfig, UpstreamSession
from .errors import NotBrokered
from .jar import Jar
from .messages import InboundRequest, UpstreamRequest, UpstreamResponse
from .routes import RouteTable
from .signs import LOOK_AHEAD, Sign, shown_by

if TYPE_CHECKING:
    import httpx2

_SAFE = ("GET", "HEAD")
_MOST_JARS = 20_000


class DeclaredPages:
    """Options `routes`, `unnamed`, `charset`, `logged_off` and `log_off`. Raises ValueError where one of them is wrong."""

    def __init__(self, config: SystemConfig) -> None:
        options = config.options
        self.config = config
        self.charset: str = known_charset("charset", options.get("charset", "utf-8"))
        parts = urlsplit(config.upstream)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._routes = RouteTable.declared(options.get("routes", []), charset=self.charset, system=config.name)
        self._refuse_unnamed = options.get("unnamed", "page") == "refuse"
        self._logged_off = Sign.declared(options.get("logged_off", {}))
        self._log_off: dict[str, str] = options.get("log_off", {})
        self._jars: dict[str, Jar] = {}

    async def open(self, tools: ConnectorTools) -> None:
        """Nothing to open: each log-on brings its own client."""

    async def close(self) -> None:
        self._jars.clear()

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        """By the route that names the request; an unnamed one is a page, and an unnamed write is a write."""
        described = await self._routes.describe(inbound)
        if described is not None:
            return described
        if self._refuse_unnamed:
            raise NotBrokered("no declared route names this page")
        changing = inbound.method not in _SAFE
        return (
            Action.WRITE if changing else Action.ENTER,
            Resource(
                system=self.config.name,
                kind="page",
                route="",
                disclosure=Disclosure.CHANGED if changing else Disclosure.NONE,
                changing=changing,
            ),
        )

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request as it came, with the upstream session's cookies."""
        headers = inbound.headers
        if session is not None and (line := self._jar(session).line(_path(inbound.target))):
            # The browser's own, declared cookies stay beside the log-on's.
            if declared := [value for name, value in headers if name == b"cookie"]:
                headers = tuple([pair for pair in headers if pair[0] != b"cookie"])
                line = b"; ".join([*declared, line])
            headers = (*headers, (b"cookie", line))
        return UpstreamRequest(
            method=inbound.method,
            target=inbound.target,
            headers=headers,
            body=None if inbound.body.whole == b"" else inbound.body,
            length=inbound.length,
            expects_identity=not self._routes.is_asset(inbound),
        )

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        """Patients whom the first 64 KiB of the page name, where the route says how they are named."""
        if not self._routes.reads_answer(inbound):
            return frozenset()
        response.require_plain()
        return self._routes.patients_in(inbound, await response.body.peek(LOOK_AHEAD))

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        return await shown_by(self._logged_off, response, self.charset)

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        if response.header(b"set-cookie") is None:
            return False
        jar = self._jar(session)
        if not jar.take(_path(inbound.target), response.headers):
            return False
        session.state["cookies"] = jar.kept()
        return True

    async def log_off(self, session: UpstreamSession, client: httpx2.AsyncClient) -> None:
        """Ask for the declared log-off address; a system without one forgets by itself."""
        jar = self._jar(session)
        self._jars.pop(session.id, None)
        if path := self._log_off.get("path"):
            headers = {"cookie": jar.line(path).decode("latin-1")} | self.own_headers(session)
            await client.request(self._log_off.get("method", "GET"), self.origin + path, headers=headers)

    def own_headers(self, session: UpstreamSession) -> dict[str, str]:
        """What a request of the gateway's own says beside the cookies."""
        return {}

    def named_parameters(self, inbound: InboundRequest) -> tuple[tuple[str, str], ...]:
        return self._routes.named_parameters(inbound)

    def is_background(self, inbound: InboundRequest) -> bool:
        return self._routes.is_background(inbound)

    def may_change(self) -> bool:
        """By a declared route, or by any page that no route names."""
        return self._routes.changing or not self._refuse_unnamed

    def keeps_patient(self) -> bool:
        return self._routes.keep_patient

    def _jar(self, session: UpstreamSession) -> Jar:
        """Made again where another gateway has changed the session's cookies."""
        cookies: list[dict[str, Any]] = session.state["cookies"]
        jar = self._jars.get(session.id)
        if jar is None or jar.kept() is not cookies:
            if len(self._jars) >= _MOST_JARS:
                self._jars.clear()  # they are made again from what the sessions keep
            jar = self._jars[session.id] = Jar(self.origin, cookies)
        return jar


def known_charset(option: str, charset: str) -> str:
    """Raises ValueError for one that nobody knows."""
    try:
        codecs.lookup(charset)
    except LookupError:
        raise ValueError(f"`{option}`: nobody knows `{charset}`: use one such as windows-1252") from None
    return charset


def _path(target: bytes) -> str:
    return target.decode("latin-1")
