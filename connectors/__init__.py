"""How each clinical system is addressed, entered and read; and all that a connector of somebody else's needs to say so."""

from policies.decision import Obligation, Permit
from policies.model import Action, Disclosure, PatientRef, Resource

from .base import (
    ChecksHealth,
    Connector,
    ConnectorTools,
    Credential,
    KnowsItsWrites,
    LogsOn,
    NamesParameters,
    Polls,
    Sealer,
    Share,
    State,
    SystemConfig,
    TokenSource,
    Translates,
    UpstreamSession,
)
from .errors import (
    AnswerTooLarge,
    BadRequest,
    BodyTooLarge,
    ConnectorError,
    CredentialMissing,
    CredentialRefused,
    NotBrokered,
    PasswordChangeDue,
    SystemMisbehaves,
    SystemUnavailable,
)
from .manifest import Manifest, Option
from .messages import Body, Headers, InboundRequest, UpstreamRequest, UpstreamResponse
from .routes import NHS_NUMBER, RouteError, RouteTable, reference
from .secrets import read as read_secret

__all__ = [
    "NHS_NUMBER",
    "Action",
    "AnswerTooLarge",
    "BadRequest",
    "Body",
    "BodyTooLarge",
    "ChecksHealth",
    "Connector",
    "ConnectorError",
    "ConnectorTools",
    "Credential",
    "CredentialMissing",
    "CredentialRefused",
    "Disclosure",
    "Headers",
    "InboundRequest",
    "KnowsItsWrites",
    "LogsOn",
    "Manifest",
    "NamesParameters",
    "NotBrokered",
    "Obligation",
    "Option",
    "PasswordChangeDue",
    "PatientRef",
    "Permit",
    "Polls",
    "Resource",
    "RouteError",
    "RouteTable",
    "Sealer",
    "Share",
    "State",
    "SystemConfig",
    "SystemMisbehaves",
    "SystemUnavailable",
    "TokenSource",
    "Translates",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamSession",
    "read_secret",
    "reference",
]
