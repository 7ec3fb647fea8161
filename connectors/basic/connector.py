"""The basic connector: a system behind the browser's own password prompt, answered on the server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from policies.decision import Permit

from ..base import ConnectorTools, Credential, SystemConfig, UpstreamSession
from ..errors import CredentialRefused, SystemMisbehaves, SystemUnavailable
from ..messages import InboundRequest, UpstreamRequest, UpstreamResponse
from ..pages import DeclaredPages, known_charset
from .challenge import Challenge, Digest, basic, challenges, strongest

if TYPE_CHECKING:
    import httpx2

_UNAUTHORIZED = 401


class BasicConnector(DeclaredPages):
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        super().__init__(config)
        options = config.options
        self._probe: str = options.get("probe", "/")
        if not self._probe.startswith("/"):
            raise ValueError(f"`probe`: `{self._probe}` is no path: begin it with `/`")
        self._scheme: str = options.get("scheme", "")
        self._credential_charset: str = options.get("credential_charset", "")
        if self._credential_charset:
            known_charset("credential_charset", self._credential_charset)
        self._counts: dict[str, int] = {}
        self._now: Callable[[], float] = float

    async def open(self, tools: ConnectorTools) -> None:
        """Keep the clock, by which the answers to a Digest challenge are counted."""
        self._now = tools.now

    async def close(self) -> None:
        await super().close()
        self._counts.clear()

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request as it came, with the cookies and the credential of the upstream session."""
        request = await super().prepare(inbound, permit, session)
        kept = [pair for pair in request.headers if pair[0] != b"authorization"]
        if session is not None:
            word = self._authorization(session, inbound.method, inbound.target.decode("latin-1"))
            kept.append((b"authorization", word.encode("latin-1")))
        request.headers = tuple(kept)
        return request

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        """Ask for the probe without the credential and then, once, with it.

        Raises CredentialRefused, SystemUnavailable, SystemMisbehaves."""
        offered = await self._ask(client, {})
        if offered.status_code != _UNAUTHORIZED:
            raise SystemMisbehaves(
                f"`{self.config.title}` wants no password at `{self._probe}` (status {offered.status_code}): declare a `probe` that does"
            )
        challenge = strongest(challenges(offered.headers.get_list("www-authenticate")), self._scheme)
        if challenge is None:
            raise SystemMisbehaves(f"`{self.config.title}` asks for a kind of log-on that is not known here")
        session = UpstreamSession(secrets.token_hex(16), self.config.name, self._state(challenge, credential))
        answer = await self._ask(client, {"authorization": self._authorization(session, "GET", self._probe)})
        if answer.status_code in (_UNAUTHORIZED, 403):
            raise CredentialRefused(f"`{self.config.title}` did not take your user name and password")
        if answer.status_code >= 500:
            raise SystemUnavailable(
                f"`{self.config.title}` cannot log anybody on just now (status {answer.status_code})"
            )
        return session

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        """401: it wants to be told again, or the password has changed, or a Digest nonce is too old."""
        return response.status == _UNAUTHORIZED

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        news = await super().absorb(session, inbound, response)
        said = response.header(b"authentication-info")
        if said is None or "digest" not in session.state:
            return news
        nonce = next(
            (
                c.parameters["nextnonce"]
                for c in challenges(["Info " + said.decode("latin-1")])
                if "nextnonce" in c.parameters
            ),
            "",
        )
        if not nonce:
            return news
        session.state["digest"] = asdict(Digest(**session.state["digest"]).after(nonce))
        return True

    def own_headers(self, session: UpstreamSession) -> dict[str, str]:
        return {
            "authorization": self._authorization(session, self._log_off.get("method", "GET"), self._log_off["path"])
        }

    async def health(self, client: httpx2.AsyncClient) -> None:
        """It asks for a password. Raises ConnectorError."""
        await self._ask(client, {})

    async def _ask(self, client: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.Response:
        return await client.get(self.origin + self._probe, headers={"user-agent": "Lanyard", **headers})

    def _state(self, challenge: Challenge, credential: Credential) -> dict[str, Any]:
        """What goes on being sealed. Raises SystemMisbehaves where the credential cannot be written as the system reads it."""
        said = challenge.parameters.get("charset", "")
        charset = self._credential_charset or (said if said.lower() == "utf-8" else "utf-8")
        try:
            if challenge.scheme == "digest":
                return {"cookies": [], "digest": asdict(Digest.of(challenge, credential, charset))}
            if ":" in credential.username:
                raise SystemMisbehaves(f"`{self.config.title}` cannot be told a user name with a colon in it")
            return {"cookies": [], "authorization": basic(credential, charset)}
        except UnicodeEncodeError:
            raise SystemMisbehaves(
                f"your user name or password for `{self.config.title}` has a character that it cannot be told"
            ) from None

    def _authorization(self, session: UpstreamSession, method: str, target: str) -> str:
        state = session.state
        if "digest" not in state:
            return str(state["authorization"])
        digest = Digest(**state["digest"])
        return digest.answer(method, target, self._count(digest.parameters["nonce"]))

    def _count(self, nonce: str) -> int:
        """Rising, also over gateways and restarts that share a nonce: by the clock, in tenths of a millisecond."""
        if len(self._counts) > 20_000:
            self._counts.clear()
        count = max(self._counts.get(nonce, 0) + 1, int(self._now() * 10_000) & 0xFFFFFFFF)
        self._counts[nonce] = count
        return count
