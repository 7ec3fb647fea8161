"""The header connector: a system that believes whoever stands before it, by plain headers or by a signed assertion."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from policies.decision import Permit
from policies.model import Principal

from ..base import ConnectorTools, Signer, SystemConfig, UpstreamSession
from ..errors import NotBrokered
from ..messages import Headers, InboundRequest, UpstreamRequest, folded
from ..naming import filled, require_known, values_of
from ..pages import DeclaredPages

if TYPE_CHECKING:
    import httpx2

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_UNSENDABLE = re.compile(rb"[\x00-\x1f\x7f]")
_PLACES = ("subject", "account", "name", "role", "roles", "organisation")
# What frames a message or is the gateway's own to say.
_NOT_THESE = frozenset(
    {"host", "cookie", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te", "trailer"}
)
_RENEWED = 25.0  # seconds that an assertion is used for, of the minute that it is good for
_MOST = 20_000  # clinicians of whom is kept what is said


class HeaderConnector(DeclaredPages):
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        super().__init__(config)
        declared: dict[str, Any] = config.options.get("headers", {})
        self._said = {_header_name(name): _template(name, text) for name, text in declared.items()}
        self._assertion = _header_name(config.options["assertion"]) if "assertion" in config.options else b""
        self._audience: str = config.options.get("audience", config.name)
        self._names = frozenset(folded(name) for name in (*self._said, *([self._assertion] if self._assertion else [])))
        if not self._names:
            raise ValueError("give `headers`, `assertion` or both: without them the system cannot know who is asking")
        if len(self._names) != len(self._said) + bool(self._assertion):
            raise ValueError("`headers` and `assertion` name one header twice: systems take `_` for `-`")
        self._signer: Signer | None = None
        self._now: Callable[[], float] = float
        self._told: dict[Principal, tuple[Headers, float]] = {}

    async def open(self, tools: ConnectorTools) -> None:
        """Keep what signs; each request brings who is asking."""
        self._signer, self._now = tools.signer, tools.now

    async def close(self) -> None:
        await super().close()
        self._told.clear()

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request as it came, and in it who is asking: by us alone. Raises NotBrokered where that cannot be said."""
        if inbound.who is None:
            raise NotBrokered("nobody is known to be asking")
        request = await super().prepare(inbound, permit, session)
        kept = [pair for pair in request.headers if folded(pair[0]) not in self._names]
        request.headers = (*kept, *self._about(inbound.who))
        return request

    async def begin(self, client: httpx2.AsyncClient) -> UpstreamSession:
        """A jar for the cookies that the system sets; it is asked for nothing."""
        return UpstreamSession(secrets.token_hex(16), self.config.name, {"cookies": []})

    async def health(self, client: httpx2.AsyncClient) -> None:
        """It answers at all: as nobody, it may refuse. Raises ConnectorError."""
        await client.get(self.origin + "/")

    def _about(self, who: Principal) -> Headers:
        """Made once for a while: page after page it is the same. Raises NotBrokered."""
        now = self._now()
        told, made = self._told.get(who, ((), 0.0))
        if not told or not 0 <= now - made < _RENEWED:
            told = self._made(who)
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[who] = told, now
        return told

    def _made(self, who: Principal) -> Headers:
        values = values_of(who)
        said = [
            (name, self._encoded(name, filled(text, values, self.config.title))) for name, text in self._said.items()
        ]
        if self._assertion:
            token = self._asserted(who)
            said.append((self._assertion, b"Bearer " + token if self._assertion == b"authorization" else token))
        return tuple(said)

    def _encoded(self, name: bytes, value: str) -> bytes:
        try:
            raw = value.encode(self.charset)
        except UnicodeEncodeError:
            raw = b"\0"
        if _UNSENDABLE.search(raw) or value != value.strip():
            raise NotBrokered(
                f"`{self.config.title}` cannot be told who you are: what `{name.decode()}` would say cannot be written in a header"
            )
        return raw

    def _asserted(self, who: Principal) -> bytes:
        assert self._signer is not None, "it was not opened"
        claims = {
            "sub": who.subject,
            "name": who.name,
            "role": who.role,
            "roles": sorted(who.roles),
            "org": who.organisation,
            "idp": who.issuer,
        }
        return self._signer.assertion(self._audience, claims).encode("ascii")


def _header_name(name: str) -> bytes:
    """Raises ValueError."""
    if not _TOKEN.fullmatch(name) or name.lower() in _NOT_THESE:
        raise ValueError(f"`{name}` cannot be the header that says who is asking")
    return name.lower().encode("ascii")


def _template(name: str, text: object) -> str:
    """Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"`headers.{name}` is a text, e.g. `{{subject}}`")
    require_known(f"headers.{name}", text, _PLACES)
    return text
