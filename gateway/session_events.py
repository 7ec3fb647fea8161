"""What the journal says of a shift and of a session, whatever became of it."""

from __future__ import annotations

from sso.shift import Shift

from .audit.event import OFFLINE, AuditEvent, EventType, RequestLine
from .sessions import Seat


def shift_event(kind: EventType, at: float, shift: Shift, /, **fields: object) -> AuditEvent:
    p = shift.principal
    known = {"issuer": p.issuer, "name": p.name, "role": p.role, "shift": shift.id, "subject": p.subject}
    return AuditEvent(kind, at, {**known, **strength(shift), **fields})


def strength(shift: Shift) -> dict[str, object]:
    """What each event of a shift says where it began without the provider."""
    return {"assurance": OFFLINE} if shift.emergency else {}


def session_event(kind: EventType, at: float, seat: Seat, /, **fields: object) -> AuditEvent:
    return shift_event(kind, at, seat.shift, session=seat.session.id, **fields)


def seated_event(at: float, seat: Seat, source: str, **fields: object) -> AuditEvent:
    """On which device, and at which address."""
    device = seat.session.device
    known = {
        "device": device.device_class.value,
        "device_id": device.id,
        "device_name": device.name,
        "source": source,
        "zone": device.zone,
    }
    return session_event(EventType.SESSION_SEATED, at, seat, **known, **fields)


def request_line(
    seat: Seat,
    at: float,
    request: str,
    method: str,
    target: bytes,
    source: str,
    agent: str,
    parameters: tuple[tuple[str, str], ...] = (),
) -> RequestLine:
    """Who sent it, on which device, by what proof. `request`: its id."""
    session, device = seat.session, seat.session.device
    return RequestLine(
        request,
        session.id,
        seat.shift.id,
        method,
        target,
        source,
        agent,
        device.name or device.device_class._value_,
        device.zone,
        session.proof,
        int(at - seat.proved),
        parameters,
    )
