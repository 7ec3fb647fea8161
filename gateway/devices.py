"""Enrolled devices at work: who is in front of us, who joins, who leaves, each written down.

A device is known by the client certificate that a trusted proxy names, else by a proof of possession of its key. Neither: the
device is unknown, as every device is before it is enrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from connectors.messages import Headers
from policies.model import Device, DeviceClass, Ownership, Principal
from sso.device import (
    INVITATION_LIFE,
    Certificate,
    Enrolment,
    Invitation,
    Possession,
    Proof,
    ProofFor,
    PublicKey,
    in_use,
    names,
)
from sso.errors import DeviceRefused
from sso.seal import Seal
from sso.session import Session, new_token

from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .config import Config
from .context import Surroundings
from .edge.guard import normal_host
from .leases import Leases
from .session_events import session_event
from .sessions import Seat, Sessions
from .stores.base import Store

INVITATION = "device-invitation"
_MOST_OWN = 8  # devices of one clinician
_CALLED = {DeviceClass.PHONE: "Phone", DeviceClass.TABLET: "Tablet", DeviceClass.DESKTOP: "Computer"}


@dataclass(frozen=True, slots=True)
class Here:
    """An enrolled device that has proved itself just now, and whether it had ever before."""

    enrolment: Enrolment
    before: bool


class State(StrEnum):
    """What may be said of a device as it stands in the store."""

    PENDING = "pending"
    IN_USE = "in use"
    REVOKED = "revoked"

    @classmethod
    def of(cls, enrolment: Enrolment) -> State:
        if enrolment.revoked is not None:
            return cls.REVOKED
        return cls.PENDING if enrolment.pending else cls.IN_USE


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever changes what is known of a device, as the journal says it: `by`, and of a signed-on person who and in which session."""

    by: str
    known: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def seated(cls, seat: Seat, by: str = "") -> Actor:
        """`by` in place of the person's subject."""
        p = seat.shift.principal
        who = {"issuer": p.issuer, "name": p.name, "subject": p.subject}
        return cls(by or p.subject, {**who, "session": seat.session.id, "shift": seat.shift.id})


class Devices:
    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        possession: Possession,
        journal: Journal,
        surroundings: Surroundings,
        now: Callable[[], float],
        *,
        approve_personal: bool,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._possession = possession
        self._journal = journal
        self._surroundings = surroundings
        self._now = now
        self._approve_personal = approve_personal
        # A button pressed twice finds at its second turn what the first has done.
        self._changing = Leases(store, shared=True)

    # Who is in front of us

    def challenge(self, device_id: str, proof_for: ProofFor) -> str:
        """To be signed by the device within a minute. Nothing is kept for it. Raises DeviceRefused."""
        return self._possession.challenge(device_id, proof_for)

    async def here(
        self, peer: str, headers: Headers, sent: Mapping[str, Any], proof_for: ProofFor = ProofFor.SIGN_ON
    ) -> Here | None:
        """The enrolled device that this request comes from; None where nothing says so, or its approval is waited for.

        `sent`: the form's fields, among them maybe a proof. Raises DeviceRefused for one that was revoked or could not
        prove itself, StoreUnavailable.
        """
        found = await self.shown(peer, headers)
        proof = Proof.read(sent)
        try:
            if found is not None:
                proved = in_use(found, self._now())
            elif proof is not None:
                found = await self._store.device(proof.device)
                proved = await self._possession.check(proof, proof_for, found)
            else:
                return None
        except DeviceRefused as refused:
            if refused.reason == "device-pending":
                return None
            raise
        await self._store.put_device(proved)
        return Here(proved, found is not None and found.last_proved is not None)

    async def shown(self, peer: str, headers: Headers) -> Enrolment | None:
        """The device that this request shows the certificate of, in whatever state; None for none."""
        certificate = self._surroundings.certificate(peer, headers)
        return await self._store.device_by_certificate(certificate) if certificate else None

    async def at(
        self, peer: str, headers: Headers, sent: Mapping[str, Any], device: Device, proof_for: ProofFor
    ) -> str:
        """The id of `device`, that a session is seated on, proved just now; "" for one that is not enrolled.

        Raises DeviceRefused where this request comes from anywhere else or nothing proves it, StoreUnavailable.
        """
        if not device.id:
            return ""
        here = await self.here(peer, headers, sent, proof_for)
        if here is None or here.enrolment.id != device.id:
            raise DeviceRefused("device-unproved", f"this browser did not show that it is `{device.name}`")
        return device.id

    async def needs_script(self, device: Device) -> bool:
        """Whether it proves itself by a key, which takes a script in the page."""
        enrolment = await self._store.device(device.id) if device.id else None
        return enrolment is not None and enrolment.key is not None

    async def still(self, peer: str, headers: Headers, device_id: str, found: Device, principal: Principal) -> Device:
        """At the end of a sign-on: `found` with what is known of the device. Raises DeviceRefused if it was revoked.

        A certificate is shown again; `device_id` proved its key when the sign-on began, empty where nothing did.
        """
        enrolment = await self.shown(peer, headers)
        if enrolment is None and device_id:
            enrolment = await self._store.device(device_id)
            if enrolment is None or enrolment.key is None:
                return found
        if enrolment is None or (enrolment.pending and enrolment.revoked is None):
            return found
        return in_use(enrolment, self._now()).device(found, principal)

    # Who joins

    async def invite(self, invitation: Invitation) -> str:
        """The one-time link's token, good for fifteen minutes."""
        token = new_token()
        await self._store.put_code(INVITATION, token, invitation.to_json(), self._now() + INVITATION_LIFE)
        return token

    async def invited(self, token: str) -> Invitation:
        """What the link is for; it stays good. Raises DeviceRefused."""
        kept = await self._store.read_code(INVITATION, token, self._now()) if 0 < len(token) < 64 else None
        return _invitation(kept)

    async def enrol(self, token: str, jwk: object, found: Device, source: str) -> tuple[Enrolment, list[Seat]]:
        """The browser that used the link, by the key that it made, and the sessions that ended with the entry that it replaces.

        The link is used up last. Raises DeviceRefused.
        """
        key = PublicKey.read(jwk)
        await self.invited(token)  # a read: whoever guesses makes the store write nothing
        invitation = _invitation(await self._store.take_code(INVITATION, token, self._now()))
        made = await self._enrolled(invitation, key, found, by=invitation.by, source=source)
        ended = await self.revoke(made.replaces, Actor(invitation.by), reason="replaced") if made.replaces else None
        return made, ended or []

    async def enrol_own(self, principal: Principal, found: Device, jwk: object, source: str) -> Enrolment:
        """A clinician's own device. Raises DeviceRefused."""
        key = PublicKey.read(jwk)
        owner = (principal.issuer, principal.subject)
        if len(await self._store.devices_of(*owner)) >= _MOST_OWN:
            raise DeviceRefused("device-many", "you have as many devices as one may have: remove one of them first")
        name = f"{_CALLED[found.device_class]} of {principal.name}"[:80]
        own = Invitation(name, "", Ownership.PERSONAL, owner=owner, pending=self._approve_personal)
        return await self._enrolled(own, key, found, source=source, issuer=owner[0], subject=owner[1], by="clinician")

    async def enrol_certificate(self, invitation: Invitation, certificate: Certificate) -> Enrolment:
        """A device that keeps nothing, by its client certificate. Raises DeviceRefused."""
        found = await self._store.device_by_certificate(certificate)
        if found is not None and found.revoked is None:
            raise DeviceRefused("device-certificate", f"this certificate is enrolled already, as `{found.name}`")
        return await self._enrolled(invitation, certificate, by=invitation.by)

    async def _enrolled(
        self, invitation: Invitation, by_what: PublicKey | Certificate, found: Device | None = None, **fields: str
    ) -> Enrolment:
        """Written down first: no device is known that the journal does not know."""
        enrolment = Enrolment.of(invitation, self._now(), by_what, found.device_class if found else None)
        kind = "key" if isinstance(by_what, PublicKey) else "certificate"
        known = {**fields, "replaces": enrolment.replaces} if enrolment.replaces else fields
        await self._journal.record(device_event(EventType.DEVICE_ENROLLED, self._now(), enrolment, proof=kind, **known))
        await self._store.put_device(enrolment)
        return enrolment

    # What becomes of them

    async def approve(self, device_id: str, by: Actor) -> bool:
        """A pending device counts from the next sign-on. False, and nothing done, for any other."""
        async with self._changing.held("device", device_id):
            enrolment = await self._store.device(device_id)
            if enrolment is None or State.of(enrolment) is not State.PENDING:
                return False
            await self._record(EventType.DEVICE_APPROVED, enrolment, by)
            return await self._store.amend_device(device_id, lambda e: replace(e, pending=False)) is not None

    async def rename(self, device_id: str, name: str, ward: str, by: Actor) -> bool:
        """Another name, or another ward. False, and nothing done, where both are as they were. Raises DeviceRefused."""
        name, ward = names(name, ward)
        async with self._changing.held("device", device_id):
            enrolment = await self._store.device(device_id)
            if enrolment is None or enrolment.revoked is not None or (enrolment.name, enrolment.ward) == (name, ward):
                return False
            before = {"was": {"device_name": enrolment.name, "ward": enrolment.ward}}
            await self._record(EventType.DEVICE_CHANGED, replace(enrolment, name=name, ward=ward), by, **before)
            return await self._store.amend_device(device_id, lambda e: replace(e, name=name, ward=ward)) is not None

    async def revoke(self, device_id: str, by: Actor, **why: str) -> list[Seat] | None:
        """Out of use, with every session on it; these. None, and nothing done, where it is already.

        Done first and written down then: what is stolen does not wait.
        """
        async with self._changing.held("device", device_id):
            enrolment = await self._store.device(device_id)
            if enrolment is None or enrolment.revoked is not None:
                return None
            ended = await self._sessions.revoke_device(device_id)
        seats = await self._seats(ended)
        ids = [seat.session.id for seat in seats]
        await self._record(EventType.DEVICE_REVOKED, enrolment, by, sessions=ids, **why)
        for seat in seats:
            await self._journal.record(
                session_event(EventType.SESSION_REVOKED, self._now(), seat, reason="device-revoked")
            )
        return seats

    async def seats_on(self, device_id: str) -> list[Seat]:
        """Whoever is signed on at it, locked or not, newest first."""
        seated = await self._store.sessions_on(device_id)
        return [seat for session in seated if (seat := await self._sessions.believed_seat(session.id)) is not None]

    async def _seats(self, sessions: list[Session]) -> list[Seat]:
        shifts = [(session, await self._store.shift(session.shift_id)) for session in sessions]
        return [Seat(session, shift, "") for session, shift in shifts if shift is not None]

    async def _record(self, kind: EventType, enrolment: Enrolment, by: Actor, **fields: object) -> None:
        await self._journal.record(device_event(kind, self._now(), enrolment, **{**by.known, "by": by.by, **fields}))

    async def own(self, principal: Principal) -> list[Enrolment]:
        return await self._store.devices_of(principal.issuer, principal.subject)


def link(public_url: str, token: str) -> str:
    """What is opened in the browser of the device that is to be known."""
    return f"{public_url}/device/enrol?invitation={token}"


def _invitation(kept: bytes | None) -> Invitation:
    if kept is None:
        raise DeviceRefused("device-invitation", "this link was used, or is older than fifteen minutes")
    return Invitation.from_json(kept)


def device_event(kind: EventType, at: float, enrolment: Enrolment, **fields: object) -> AuditEvent:
    """`device_name`, not `name`: that is a person's."""
    known = {
        "device_id": enrolment.id,
        "device_name": enrolment.name,
        "managed": enrolment.managed,
        "ownership": enrolment.ownership.value,
        "pending": enrolment.pending,
        "ward": enrolment.ward,
    }
    return AuditEvent(kind, at, {**known, **fields})


def devices_of(
    config: Config,
    store: Store,
    sessions: Sessions,
    journal: Journal,
    seal: Seal,
    surroundings: Surroundings,
    now: Callable[[], float],
) -> Devices:
    """Those of an installation, for the gateway and for the command line."""
    host = normal_host(config.public_host.encode(), config.scheme) or b""
    # As a script reads it in `location.origin`: without the scheme's own port.
    origin = f"{config.scheme}://{host.decode()}"

    async def first_time(nonce: str, until: float) -> bool:
        return await store.first_time("device-proof", nonce, until, now())

    possession = Possession(seal, origin, now, first_time)
    approve = config.devices.approve_personal
    return Devices(store, sessions, possession, journal, surroundings, now, approve_personal=approve)
