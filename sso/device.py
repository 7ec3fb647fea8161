"""What a session runs on, and how it shows that it is that: enrolment, proof of possession, client certificate.

A browser makes a P-256 key that it cannot give away and enrols its public half. To prove possession it signs a challenge of
ours (ES256 as WebCrypto writes it: r and s, 32 bytes each; W3C Web Cryptography, section 23.2). A challenge is a sealed value:
nothing is kept for it until a good signature uses it up. Where a browser keeps no key (kiosks, non-persistent desktops), the
trusted proxy names the client certificate instead.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from policies.model import Device, DeviceClass, Ownership, Principal

from .errors import DeviceRefused
from .seal import Seal, SealError
from .session import Session

CHALLENGE_LIFE = 60.0  # seconds
INVITATION_LIFE = 900.0  # seconds
_COORDINATE = 32  # bytes
_PURPOSE = "device-challenge"
_LONGEST = 1024  # characters of a sealed challenge
_CONTEXT = "lanyard-device-proof-1"  # what is signed begins with it: no signature for anything else is a proof
_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST_NAME = 80
_LONGEST_DN = 1024


class ProofFor(StrEnum):
    """What a proof of possession is for; one that was made for another thing is none."""

    SIGN_ON = "sign-on"
    UNLOCK = "unlock"
    HAND_OFF = "hand-off"
    RENEW = "renew"
    EMERGENCY = "emergency"
    VOUCH = "vouch"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point on P-256, as the two members of a JWK (RFC 7518, section 6.2.1)."""

    x: str
    y: str

    @classmethod
    def read(cls, jwk: object) -> PublicKey:
        """From `{kty, crv, x, y}`. Raises DeviceRefused: another kind, more members, a private half, no point of the curve."""
        if not isinstance(jwk, Mapping) or set(jwk) != {"kty", "crv", "x", "y"}:
            raise DeviceRefused("device-key", "a device's key is a public JWK with `kty`, `crv`, `x` and `y` alone")
        if jwk["kty"] != "EC" or jwk["crv"] != "P-256":
            raise DeviceRefused("device-key", "a device's key is an elliptic one on P-256")
        key = cls(str(jwk["x"]), str(jwk["y"]))
        key._point()
        return key

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this is r and s, 32 bytes each, by the private half. DER is not taken: one signature, one spelling."""
        if len(signature) != 2 * _COORDINATE:
            return False
        r, s = (int.from_bytes(signature[at : at + _COORDINATE]) for at in (0, _COORDINATE))
        try:
            self._point().verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def _point(self) -> ec.EllipticCurvePublicKey:
        x, y = _plain(self.x), _plain(self.y)
        if len(x) != _COORDINATE or len(y) != _COORDINATE:
            raise DeviceRefused("device-key", "`x` and `y` are 32 bytes each, in base64url without padding")
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1())
        try:
            return numbers.public_key()
        except ValueError:
            raise DeviceRefused("device-key", "the key is no point on P-256") from None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate by its two names, letter by letter as the trusted proxy writes them."""

    issuer: str
    subject: str

    @classmethod
    def named(cls, issuer: str, subject: str) -> Certificate:
        """Raises DeviceRefused where a name is missing, longer than 1024 characters, or not printable."""
        for name in (issuer, subject):
            if not 0 < len(name) <= _LONGEST_DN or not name.isprintable():
                raise DeviceRefused("device-certificate", "a client certificate has a printable issuer and subject")
        return cls(issuer, subject)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device that is known here. Exactly one of `key` and `certificate` is set."""

    id: str
    name: str  # what people call it: `Ward 7 PC 3`
    ward: str
    ownership: Ownership
    managed: bool
    created: float  # seconds since the epoch, as are the other instants
    key: PublicKey | None = None
    certificate: Certificate | None = None
    owner: tuple[str, str] | None = None  # of a personal one: issuer and subject
    last_proved: float | None = None
    pending: bool = False  # waits for approval: counts as unknown
    revoked: float | None = None
    replaces: str = ""  # the id of the entry that this one took the place of
    device_class: DeviceClass | None = None  # as its browser said when it was enrolled

    @classmethod
    def of(
        cls, invitation: Invitation, now: float, by: PublicKey | Certificate, device_class: DeviceClass | None = None
    ) -> Enrolment:
        """A new device, as its invitation describes it."""
        i, id_ = invitation, secrets.token_hex(16)
        made = cls(id_, i.name, i.ward, i.ownership, i.managed, now, owner=i.owner, pending=i.pending,
                   replaces=i.replaces, device_class=device_class)  # fmt: skip
        return replace(made, key=by) if isinstance(by, PublicKey) else replace(made, certificate=by)

    @property
    def by_link(self) -> bool:
        """Whether a one-time link can make it known again: a person's own they enrol themselves, and a certificate is renewed."""
        return self.key is not None and self.owner is None

    def device(self, found: Device, principal: Principal) -> Device:
        """`found` by headers and network, with what is known by enrolment. A personal device vouches for its owner only."""
        if self.pending or self.revoked is not None:
            return found
        if self.owner is not None and self.owner != (principal.issuer, principal.subject):
            return found
        return replace(found, id=self.id, name=self.name, ownership=self.ownership, managed=self.managed)


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a device will be once it has enrolled by a one-time link, or as its owner's own."""

    name: str
    ward: str
    ownership: Ownership
    managed: bool = False
    by: str = ""  # whoever invites it, for the journal
    owner: tuple[str, str] | None = None
    pending: bool = False
    replaces: str = ""  # the id of a device whose key was lost: it is out of use as soon as the link is used

    @classmethod
    def named(cls, name: str, ward: str, ownership: Ownership, *, managed: bool = False, by: str = "") -> Invitation:
        """Raises DeviceRefused where the names are no names that people can read."""
        return cls(*names(name, ward), ownership, managed, by)

    def to_json(self) -> bytes:
        """As it is kept until the link is used. Links are for devices that belong to nobody in particular."""
        kept = {"name": self.name, "ward": self.ward, "ownership": self.ownership.value, "managed": self.managed}
        return json.dumps({**kept, "by": self.by, "replaces": self.replaces}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Invitation:
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "ownership": Ownership(fields["ownership"])})


def names(name: str, ward: str) -> tuple[str, str]:
    """A device's name and ward as they are kept. Raises DeviceRefused where they are none that people can read."""
    for text in (name, ward):
        if len(text) > _LONGEST_NAME or (text and not text.isprintable()):
            raise DeviceRefused("device-name", "a device's name and ward are at most 80 printable characters")
    if not name.strip():
        raise DeviceRefused("device-name", "a device needs a name that people know it by")
    return name.strip(), ward.strip()


class DeviceStore(Protocol):
    """Where enrolments are kept. Every method raises StoreUnavailable when the store cannot be used."""

    async def put_device(self, enrolment: Enrolment) -> None:
        """What is revoked stays revoked, whatever is put later."""
        ...

    async def device(self, device_id: str) -> Enrolment | None: ...

    async def device_by_certificate(self, certificate: Certificate) -> Enrolment | None:
        """The one that is in use; else one that was revoked, so that it is told from an unknown one."""
        ...

    async def devices(self) -> list[Enrolment]:
        """All, newest first, revoked ones included."""
        ...

    async def devices_of(self, issuer: str, subject: str) -> list[Enrolment]:
        """A person's own that are in use or wait for approval, newest first."""
        ...

    async def amend_device(self, device_id: str, change: Callable[[Enrolment], Enrolment]) -> Enrolment | None:
        """What is known of a device, changed while nobody else changes it; None, and nothing done, for one that is unknown
        or was revoked."""
        ...

    async def sessions_on(self, device_id: str) -> list[Session]:
        """Those seated on it that have not ended, newest first."""
        ...

    async def revoke_device(self, device_id: str, now: float) -> list[Session]:
        """The device and its live sessions end at once, with `device-revoked`; the sessions that it ended."""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What a browser sends to prove that it is an enrolled device; nothing in it is believed yet."""

    device: str
    challenge: str
    signature: str  # base64url of r and s

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Proof | None:
        """From a form's `device`, `challenge` and `signature`; None where it has none of the three."""
        found = [fields.get(name) for name in ("device", "challenge", "signature")]
        if not any(found):
            return None
        return cls(*(value if isinstance(value, str) else "" for value in found))


class Possession:
    """Makes challenges and judges what comes back, for one origin."""

    def __init__(
        self, seal: Seal, origin: str, now: Callable[[], float], first_time: Callable[[str, float], Awaitable[bool]]
    ) -> None:
        """`first_time(nonce, until)`: whether this challenge is used for the first time, remembered until then."""
        self._seal = seal
        self._origin = origin
        self._now = now
        self._first_time = first_time

    def challenge(self, device_id: str, proof_for: ProofFor) -> str:
        """Good once, for 60 seconds, for this device, purpose and origin. Raises DeviceRefused for what is no device's id."""
        if not _ID.fullmatch(device_id):
            raise DeviceRefused("device-unknown", "this device is not enrolled here")
        said = [device_id, proof_for.value, self._origin, self._now(), secrets.token_urlsafe(16)]
        return self._seal.seal(json.dumps(said).encode(), purpose=_PURPOSE)

    def signed(self, proof: Proof, proof_for: ProofFor) -> bytes:
        """The bytes that the browser signs: the origin as it sees it, the purpose, its id, our challenge."""
        return "\n".join((_CONTEXT, self._origin, proof_for.value, proof.device, proof.challenge)).encode()

    async def check(self, proof: Proof, proof_for: ProofFor, enrolment: Enrolment | None) -> Enrolment:
        """The device, proved just now. Raises DeviceRefused, whose `reason` is a stable code, and StoreUnavailable.

        A signature is looked at first and an enrolment's state last: only whoever has the key learns what has become of it.
        """
        if enrolment is None or enrolment.key is None or enrolment.id != proof.device:
            raise DeviceRefused("device-unknown", "this device is not enrolled here")
        nonce, issued = self._opened(proof, proof_for)
        if not 0 <= self._now() - issued <= CHALLENGE_LIFE:
            raise DeviceRefused("device-expired", "this device took longer than a minute to prove itself")
        if not enrolment.key.verifies(_plain(proof.signature), self.signed(proof, proof_for)):
            raise DeviceRefused(
                "device-signature", "this device could not prove itself: its key is not the enrolled one"
            )
        if not await self._first_time(nonce, issued + CHALLENGE_LIFE):
            raise DeviceRefused("device-replayed", "this proof of a device was used before")
        return in_use(enrolment, self._now())

    def _opened(self, proof: Proof, proof_for: ProofFor) -> tuple[str, float]:
        try:
            if len(proof.challenge) > _LONGEST:
                raise SealError
            device, purpose, origin, issued, nonce = json.loads(self._seal.unseal(proof.challenge, purpose=_PURPOSE))
        except SealError:
            raise DeviceRefused("device-challenge", "this device answered a question that was not ours") from None
        if device != proof.device:
            raise DeviceRefused("device-challenge", "this device answered another device's question")
        if purpose != proof_for.value:
            raise DeviceRefused("device-purpose", "this device proved itself for something else")
        if origin != self._origin:
            raise DeviceRefused("device-origin", "this device proved itself to another address")
        return str(nonce), float(issued)


def in_use(enrolment: Enrolment, now: float) -> Enrolment:
    """The enrolment, proved `now`. Raises DeviceRefused for one that was revoked or still waits for approval."""
    if enrolment.revoked is not None:
        raise DeviceRefused("device-revoked", "this device was taken out of use")
    if enrolment.pending:
        raise DeviceRefused("device-pending", "this device waits for its approval")
    return replace(enrolment, last_proved=now)


def _plain(text: str) -> bytes:
    """Base64url without padding into bytes; empty where it is not spelt exactly so."""
    try:
        plain = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    return plain if base64.urlsafe_b64encode(plain).rstrip(b"=").decode() == text else b""
