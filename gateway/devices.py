"""Enrolled devices at work: who is in front of us, who joins, who leaves, each written down.

A device is known by the client certificate that a trusted proxy names, else by a proof of possession of its key. Neither: the
device is unknown, as every device is before it is enrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connectors.messages import Headers
from policies.model import Device, DeviceClass, Ownership, Principal
from sso.device import Certificate, Enrolment, Invitation, Possession, Proof, ProofFor, PublicKey, in_use
from sso.errors import DeviceRefused
from sso.seal import Seal

from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .config import Config
from .context import Surroundings
from .edge.guard import normal_host
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

    async def invite(self, token: str, invitation: Invitation, until: float) -> None:
        await self._store.put_code(INVITATION, token, invitation.to_json(), until)

    async def invited(self, token: str) -> Invitation:
        """What the link is for; it stays good. Raises DeviceRefused."""
        kept = await self._store.read_code(INVITATION, token, self._now()) if 0 < len(token) < 64 else None
        return _invitation(kept)

    async def enrol(self, token: str, jwk: object, source: str) -> Enrolment:
        """The browser that used the link, by the key that it made. The link is used up last. Raises DeviceRefused."""
        key = PublicKey.read(jwk)
        await self.invited(token)  # a read: whoever guesses makes the store write nothing
        invitation = _invitation(await self._store.take_code(INVITATION, token, self._now()))
        return await self._enrolled(invitation, key, by=invitation.by, source=source)

    async def enrol_own(self, principal: Principal, found: Device, jwk: object, source: str) -> Enrolment:
        """A clinician's own device. Raises DeviceRefused."""
        key = PublicKey.read(jwk)
        owner = (principal.issuer, principal.subject)
        if len(await self._store.devices_of(*owner)) >= _MOST_OWN:
            raise DeviceRefused("device-many", "you have as many devices as one may have: remove one of them first")
        name = f"{_CALLED[found.device_class]} of {principal.name}"[:80]
        own = Invitation(name, "", Ownership.PERSONAL, owner=owner, pending=self._approve_personal)
        return await self._enrolled(own, key, source=source, issuer=owner[0], subject=owner[1], by="clinician")

    async def enrol_certificate(self, invitation: Invitation, certificate: Certificate) -> Enrolment:
        """A device that keeps nothing, by its client certificate. Raises DeviceRefused."""
        found = await self._store.device_by_certificate(certificate)
        if found is not None and found.revoked is None:
            raise DeviceRefused("device-certificate", f"this certificate is enrolled already, as `{found.name}`")
        return await self._enrolled(invitation, certificate, by=invitation.by)

    async def _enrolled(self, invitation: Invitation, by_what: PublicKey | Certificate, **fields: str) -> Enrolment:
        enrolment = Enrolment.of(invitation, self._now(), by_what)
        await self._store.put_device(enrolment)
        kind = "key" if isinstance(by_what, PublicKey) else "certificate"
        await self._journal.record(
            device_event(EventType.DEVICE_ENROLLED, self._now(), enrolment, proof=kind, **fields)
        )
        return enrolment

    async def approve(self, enrolment: Enrolment, by: str) -> None:
        await self._store.put_device(replace(enrolment, pending=False))
        await self._journal.record(device_event(EventType.DEVICE_APPROVED, self._now(), enrolment, by=by))

    async def revoke(self, enrolment: Enrolment, by: str) -> list[Seat]:
        """Out of use, with every session on it; these. Done first and written down then: what is stolen does not wait."""
        seats = [
            Seat(session, shift, "")
            for session in await self._sessions.revoke_device(enrolment.id)
            if (shift := await self._store.shift(session.shift_id)) is not None
        ]
        ids = [seat.session.id for seat in seats]
        await self._journal.record(device_event(EventType.DEVICE_REVOKED, self._now(), enrolment, by=by, sessions=ids))
        for seat in seats:
            await self._journal.record(
                session_event(EventType.SESSION_REVOKED, self._now(), seat, reason="device-revoked")
            )
        return seats

    async def own(self, principal: Principal) -> list[Enrolment]:
        return await self._store.devices_of(principal.issuer, principal.subject)


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
