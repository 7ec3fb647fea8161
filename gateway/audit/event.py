"""What the journal records: a closed list of event types, and one event.

The shape follows the questions an auditor asks (ATNA, IHE BALP): what, when, who, from where, about whom, under
which rule, with what outcome. `fields` is JSON-able; it may hold patient identifiers and names, since the journal is
where they belong, and never a secret, a token or a form value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

OFFLINE = "offline"  # the assurance of a shift that no provider has confirmed


class EventType(StrEnum):
    GATEWAY_STARTED = "gateway.started"
    GATEWAY_STOPPED = "gateway.stopped"
    CONFIG_LOADED = "config.loaded"
    CONFIG_REJECTED = "config.rejected"
    POLICY_LOADED = "policy.loaded"
    POLICY_REJECTED = "policy.rejected"
    LOGIN_OK = "login.ok"
    LOGIN_FAILED = "login.failed"
    LOGOUT_OK = "logout.ok"
    LOGOUT_REJECTED = "logout.rejected"
    SHIFT_STARTED = "shift.started"
    SHIFT_RENEWED = "shift.renewed"
    SHIFT_ENDED = "shift.ended"
    SESSION_SEATED = "session.seated"
    SESSION_LOCKED = "session.locked"
    SESSION_UNLOCKED = "session.unlocked"
    SESSION_SWITCHED = "session.switched"
    SESSION_REVOKED = "session.revoked"
    DEVICE_ENROLLED = "device.enrolled"
    DEVICE_APPROVED = "device.approved"
    DEVICE_CHANGED = "device.changed"
    DEVICE_REVOKED = "device.revoked"
    BADGE_REGISTERED = "badge.registered"
    BADGE_REFUSED = "badge.refused"
    BADGE_FORGOTTEN = "badge.forgotten"
    HANDOFF_ASKED = "handoff.asked"
    HANDOFF_ACCEPTED = "handoff.accepted"
    HANDOFF_REFUSED = "handoff.refused"
    CREDENTIAL_KEPT = "credential.kept"
    CREDENTIAL_REPLACED = "credential.replaced"
    CREDENTIAL_FORGOTTEN = "credential.forgotten"
    CREDENTIAL_RELEASED = "credential.released"
    UPSTREAM_LOGGED_ON = "upstream.logged_on"
    UPSTREAM_LOG_ON_FAILED = "upstream.log_on_failed"
    UPSTREAM_LOGGED_OFF = "upstream.logged_off"
    UPSTREAM_VIOLATION = "upstream.violation"
    ACCESS_INTENT = "access.intent"
    ACCESS_DENIED = "access.denied"
    RECORD_RELEASED = "record.released"
    RECORD_COMPLETED = "record.completed"
    RECORD_INCOMPLETE = "record.incomplete"
    WRITE_ABORTED = "write.aborted"
    REQUEST_REJECTED = "request.rejected"
    PATIENT_LINKED = "patient.linked"
    BREAKGLASS_USED = "breakglass.used"
    BREAKGLASS_ENDED = "breakglass.ended"
    BREAKGLASS_REVIEWED = "breakglass.reviewed"
    EMERGENCY_STARTED = "emergency.started"
    EMERGENCY_VOUCHED = "emergency.vouched"
    EMERGENCY_REVIEWED = "emergency.reviewed"
    EMERGENCY_FORGOTTEN = "emergency.forgotten"
    RELATIONSHIP_CLAIMED = "relationship.claimed"
    SHARE_OFFERED = "share.offered"
    SHARE_OPENED = "share.opened"
    SHARE_CLOSED = "share.closed"
    AUDIT_READ = "audit.read"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_VERIFIED = "audit.verified"
    AUDIT_RECOVERED = "audit.recovered"
    CONTROL_FAILURE = "control.failure"
    CONNECTOR_ERROR = "connector.error"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. `at` is seconds since the epoch (UTC); order is the journal's sequence, never the clock."""

    type: EventType
    at: float
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """Proof that an event is durable. Made by gateway/audit/journal.py only; `forward` asks for one."""

    request: str  # the request's id
    verdict: str  # `permit` or `deny`
    sequence: int
    patients: frozenset[Any] = frozenset()  # PatientRefs journalled so far for this request


@dataclass(frozen=True, slots=True)
class AssetReceipt:
    """Proof that an asset (CSS, script, image, font) was counted. Made by gateway/audit/journal.py only."""

    request: str
    verdict: str = "permit"


class RequestLine(NamedTuple):
    """What the journal says about a request beside the question: who sent it, from where, in which words."""

    id: str
    session: str
    shift: str
    method: str
    target: bytes  # raw, as it was judged and is sent
    source: str  # the client's address, from the trusted proxies' words
    agent: str = ""
    device: str = ""
    zone: str = ""
    proof: str = ""
    proof_age: int = 0  # seconds, rounded down
    parameters: tuple[tuple[str, str], ...] = ()  # the query parameters that the route names
