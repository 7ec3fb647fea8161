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
from ..messages import Headers, InboundRequest, UpstreamRequest
from ..pages import DeclaredPages

if TYPE_CHECKING:
    import httpx2

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_PLACE = re.compile(r"\{(\w*)\}")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]")
_PLACES = ("subject", "account", "name", "role", "roles", "organisation")
# What frames a message or is the gateway's own to say.
_NOT_THESE = frozenset(
    {"host", "cookie", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te", "trailer"}
)
_RENEWED = 25.0  # seconds that an assertion is used for, of the minute that it is good for
_MOST = 20_000  # assertions kept


class HeaderConnector(DeclaredPages):
    def __init__(self, config: SystemConfig) -> None:
        """Raises ValueError where an option is wrong."""
        super().__init__(config)
        declared: dict[str, Any] = config.options.get("headers", {})
        self._said = {_header_name(name): _template(name, text) for name, text in declared.items()}
        self._assertion = _header_name(config.options["assertion"]) if "assertion" in config.options else b""
        self._audience: str = config.options.get("audience", config.name)
        self._names = frozenset(
            _folded(name) for name in (*self._said, *([self._assertion] if self._assertion else []))
        )
        if not self._names:
            raise ValueError("give `headers`, `assertion` or both: without them the system cannot know who is asking")
        if len(self._names) != len(self._said) + bool(self._assertion):
            raise ValueError("`headers` and `assertion` name one header twice: systems take `_` for `-`")
        self._signer: Signer | None = None
        self._now: Callable[[], float] = float
        self._signed: dict[Principal, tuple[bytes, float]] = {}

    async def open(self, tools: ConnectorTools) -> None:
        """Keep what signs; each request brings who is asking."""
        self._signer, self._now = tools.signer, tools.now

    async def close(self) -> None:
        await super().close()
        self._signed.clear()

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request as it came, and in it who is asking: by us alone. Raises NotBrokered where that cannot be said."""
        if inbound.who is None:
            raise NotBrokered("nobody is known to be asking")
        request = await super().prepare(inbound, permit, session)
        kept = [pair for pair in request.headers if _folded(pair[0]) not in self._names]
        request.headers = (*kept, *self._about(inbound.who))
        return request

    async def begin(self, client: httpx2.AsyncClient) -> UpstreamSession:
        """A jar for the cookies that the system sets; it is asked for nothing."""
        return UpstreamSession(secrets.token_hex(16), self.config.name, {"cookies": []})

    async def health(self, client: httpx2.AsyncClient) -> None:
        """It answers at all: as nobody, it may refuse. Raises ConnectorError."""
        await client.get(self.origin + "/")

    def _about(self, who: Principal) -> Headers:
        values = {
            "subject": who.subject,
            "account": who.subject.partition("@")[0],
            "name": who.name,
            "role": who.role,
            "roles": ",".join(sorted(who.roles)),
            "organisation": who.organisation,
        }
        said = [(name, self._filled(name, text, values)) for name, text in self._said.items()]
        if self._assertion:
            token = self._asserted(who)
            said.append((self._assertion, b"Bearer " + token if self._assertion == b"authorization" else token))
        return tuple(said)

    def _filled(self, name: bytes, text: str, values: dict[str, str]) -> bytes:
        """An empty place that says who it is would make somebody else of them, at many systems an administrator."""
        for place in _PLACE.findall(text):
            if place in ("subject", "account") and not values[place]:
                raise NotBrokered(f"`{self.config.title}` cannot be told who you are: your account has no name")
        value = _PLACE.sub(lambda found: values[found[1]], text)
        try:
            raw = value.encode(self.charset)
        except UnicodeEncodeError:
            raw = b"\n"
        if _UNSENDABLE.search(value) or b"\n" in raw or value != value.strip():
            raise NotBrokered(
                f"`{self.config.title}` cannot be told who you are: what `{name.decode()}` would say cannot be written in a header"
            )
        return raw

    def _asserted(self, who: Principal) -> bytes:
        now = self._now()
        token, made = self._signed.get(who, (b"", 0.0))
        if not token or not 0 <= now - made < _RENEWED:
            assert self._signer is not None, "it was not opened"
            claims = {
                "sub": who.subject,
                "name": who.name,
                "role": who.role,
                "roles": sorted(who.roles),
                "org": who.organisation,
                "idp": who.issuer,
            }
            if len(self._signed) >= _MOST:
                self._signed.clear()
            token = self._signer.assertion(self._audience, claims).encode("ascii")
            self._signed[who] = token, now
        return token


def _header_name(name: str) -> bytes:
    """Raises ValueError."""
    if not _TOKEN.fullmatch(name) or name.lower() in _NOT_THESE:
        raise ValueError(f"`{name}` cannot be the header that says who is asking")
    return name.lower().encode("ascii")


def _template(name: str, text: object) -> str:
    """Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"`headers.{name}` is a text, e.g. `{{subject}}`")
    unknown = sorted(set(_PLACE.findall(text)) - set(_PLACES))
    if unknown:
        raise ValueError(f"`headers.{name}`: `{{{unknown[0]}}}` is none of {', '.join(f'`{{{p}}}`' for p in _PLACES)}")
    return text


def _folded(name: bytes) -> bytes:
    """As systems behind CGI or WSGI read it."""
    return name.lower().replace(b"_", b"-").replace(b".", b"-")
