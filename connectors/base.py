"""How one kind of system is addressed, entered and read: the protocols a connector implements.

A connector is handed what it needs (`ConnectorTools`), makes no client of its own, has no side effect in `__init__`,
and is opened and closed by the gateway. Further powers are separate, optional protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from policies.decision import Permit
from policies.model import Action, PatientRef, Principal, Resource

from .messages import InboundRequest, UpstreamRequest, UpstreamResponse

if TYPE_CHECKING:
    import httpx2


class State(StrEnum):
    """How honest we can be about a system: said the same on tile, docs, journal and metrics."""

    BROKERED = "brokered"
    LINKED = "linked"
    LAUNCH_ONLY = "launch only"


class Share(StrEnum):
    """Whom one upstream session belongs to."""

    SESSION = "session"  # the default: old systems keep the current patient on the server
    SHIFT = "shift"  # no current patient, e.g. an API
    ONE_PER_CLINICIAN = "one_per_clinician"


@dataclass(frozen=True, slots=True)
class Credential:
    """A clinician's own credential at a system."""

    username: str
    secret: str = field(repr=False)


@dataclass(slots=True)
class UpstreamSession:
    """A log-on at a system. Sealed at rest by the gateway, never in the browser.

    `state` is whatever the connector needs to go on (a cookie jar, a token): JSON-able, opaque to the gateway.
    """

    id: str
    system: str
    state: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """What a connector may know of its `[[systems]]` entry."""

    name: str
    title: str
    upstream: str  # origin, e.g. `https://pas.internal:8443`; a path is kept as the base path
    options: dict[str, Any]
    hold: int  # bytes of an answer that may be held to be read
    public_origin: str = ""  # e.g. `https://pas.records.example.nhs.uk`
    prefix: str = ""  # `/{name}` on a path mount
    helpdesk: str = ""
    host_header: str = "upstream"


class Sealer(Protocol):
    """Authenticated encryption for values that leave and come back (paging tokens, jars)."""

    def seal(self, plain: bytes, *, purpose: str) -> str: ...

    def unseal(self, token: str, *, purpose: str) -> bytes:
        """Raises ValueError when the token is not ours, was changed, or was made for another purpose."""
        ...


class Signer(Protocol):
    """The gateway's word about somebody, which whoever reads its public keys can check."""

    def assertion(self, audience: str, claims: Mapping[str, Any]) -> str:
        """A signed JWT (RFC 7519) about `sub`, for this audience alone and for a minute."""
        ...


class TokenSource(Protocol):
    """Where an access token for a system comes from."""

    async def token(self) -> str:
        """A token good for at least 30 s. Raises SystemUnavailable."""
        ...

    async def rejected(self, token: str) -> None:
        """The system said 401 to it: do not hand it out again."""
        ...


@dataclass(frozen=True, slots=True)
class ConnectorTools:
    """What the gateway hands a connector when it opens it."""

    client: Callable[[], httpx2.AsyncClient]  # over our own transport; one for each UpstreamSession, no shared jar
    sealer: Sealer
    now: Callable[[], float]
    signer: Signer


@runtime_checkable
class Connector(Protocol):
    """One configured system."""

    config: SystemConfig

    async def open(self, tools: ConnectorTools) -> None: ...

    async def close(self) -> None: ...

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        """What is asked. Reads the body only on routes that say so. Raises BadRequest, NotBrokered."""
        ...

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        """The request for the system; the gateway strips and adds the general headers itself."""
        ...

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        """Patients whom the answer names; reads ahead (`response.body.hold` or `.peek`) where it can tell.

        Raises AnswerTooLarge, SystemMisbehaves.
        """
        ...


@runtime_checkable
class KeepsSession(Protocol):
    """A system that remembers whom it talks to: each clinician's session has one of its own there."""

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        """Whether this answer says that the system has forgotten us; may peek."""
        ...

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        """Take new cookies out of the answer into the session; True when the session changed."""
        ...

    async def log_off(self, session: UpstreamSession, client: httpx2.AsyncClient) -> None: ...


@runtime_checkable
class LogsOn(KeepsSession, Protocol):
    """A system that wants a log-on of its own before it answers."""

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        """Raises CredentialRefused, PasswordChangeDue, SystemUnavailable, SystemMisbehaves. Never tries twice."""
        ...


@runtime_checkable
class TakesOurWord(KeepsSession, Protocol):
    """A system that believes the gateway who is asking (`InboundRequest.who`), request by request, and wants no credential."""

    async def begin(self, client: httpx2.AsyncClient) -> UpstreamSession:
        """A session there. Raises SystemUnavailable, SystemMisbehaves."""
        ...


@runtime_checkable
class Translates(Protocol):
    """A system whose answers must be changed before they leave, e.g. FHIR paging links."""

    async def translate(self, inbound: InboundRequest, response: UpstreamResponse) -> UpstreamResponse: ...


@runtime_checkable
class NamesParameters(Protocol):
    """A system whose routes name query parameters for the journal."""

    def named_parameters(self, inbound: InboundRequest) -> tuple[tuple[str, str], ...]: ...


@runtime_checkable
class Polls(Protocol):
    """A system whose pages ask for something by themselves, e.g. whether there is a new result."""

    def is_background(self, inbound: InboundRequest) -> bool:
        """Whether this request says nothing about anybody being there. Looked up once with the route."""
        ...


@runtime_checkable
class KnowsItsWrites(Protocol):
    """A system that can say whether anything may be changed through it. One that cannot counts as one where it may."""

    def may_change(self) -> bool: ...


@runtime_checkable
class KeepsPatient(Protocol):
    """A system that may hold the current patient itself, so that its pages and forms need not say whom they are about."""

    def keeps_patient(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Launch:
    """How a system is opened that the gateway does not see into: by an address, or by a file that its own program opens."""

    address: str = field(default="", repr=False)  # it may name a patient
    file: bytes = field(default=b"", repr=False)
    file_name: str = ""
    media_type: str = ""
    at_patient: bool = False  # it opens at the patient who was asked for


@runtime_checkable
class Launches(Protocol):
    """A system that is opened and not brokered: it is no Connector, since nothing of it passes."""

    config: SystemConfig

    def finds_patients(self) -> bool:
        """Whether it can be opened at a patient, by NHS number."""
        ...

    def leads_to(self) -> frozenset[str]:
        """The origins (`https://…`) or schemes (`radviewer:`) that its links begin with."""
        ...

    def launch(self, who: Principal, nhs_number: str = "") -> Launch:
        """Raises NotBrokered where it cannot be told who asks."""
        ...


@runtime_checkable
class ChecksHealth(Protocol):
    async def health(self, client: httpx2.AsyncClient) -> None:
        """Raises ConnectorError when the system cannot be used."""
        ...
