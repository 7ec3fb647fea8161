"""Devices: who can prove to be which, and how each bad proof is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.device import CHALLENGE_LIFE, Certificate, Enrolment, Invitation, Possession, Proof, ProofFor, PublicKey
from sso.errors import DEVICE_REASONS, DeviceRefused
from sso.seal import Seal
from sso.testing import BrowserKey

ORIGIN = "https://records.example.nhs.uk"
T0 = 1_800_000_000.0
PC = Invitation("Ward 7 PC 3", "Ward 7", Ownership.SHARED, managed=True)


class Desk:
    """A gateway's side and an enrolled browser's side, and one clock for both."""

    def __init__(self) -> None:
        self.now = T0
        self.used: set[str] = set()
        self.seal = Seal([b"k" * 32])
        self.possession = self.at(ORIGIN)
        self.key = BrowserKey()
        self.enrolment = Enrolment.of(PC, T0 - 86400, PublicKey.read(self.key.jwk()))
        self.purpose = ProofFor.SIGN_ON

    def at(self, origin: str, seal: Seal | None = None) -> Possession:
        return Possession(seal or self.seal, origin, lambda: self.now, self.first_time)

    async def first_time(self, nonce: str, until: float) -> bool:
        new = nonce not in self.used
        self.used.add(nonce)
        return new

    def proof(self, **signed: Any) -> Proof:
        """A good one, save for what is said."""
        device, purpose = self.enrolment.id, signed.get("purpose", ProofFor.SIGN_ON)
        challenge = signed.get("challenge") or self.possession.challenge(device, purpose)
        key: BrowserKey = signed.get("key", self.key)
        return key.proof(signed.get("origin", ORIGIN), purpose, device, challenge, der=signed.get("der", False))

    async def check(self, proof: Proof) -> Enrolment:
        return await self.possession.check(proof, self.purpose, self.enrolment)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_whoever_has_the_key_is_the_device(desk: Desk) -> None:
    """A signature as browsers make it, over our challenge, proves possession; and when is remembered."""
    proved = await desk.check(desk.proof())
    assert proved == replace(desk.enrolment, last_proved=T0)


@pytest.mark.parametrize("purpose", ProofFor)
async def test_a_proof_is_good_for_its_own_purpose(desk: Desk, purpose: ProofFor) -> None:
    """Sign-on, unlock, hand-off and renewal each ask for their own."""
    desk.purpose = purpose
    assert (await desk.check(desk.proof(purpose=purpose))).id == desk.enrolment.id


def of_another_key(desk: Desk) -> Proof:
    return desk.proof(key=BrowserKey())


def for_something_else(desk: Desk) -> Proof:
    return desk.proof(purpose=ProofFor.UNLOCK)


def signed_for_something_else(desk: Desk) -> Proof:
    """Our challenge is for sign-on, the browser signs for an unlock."""
    challenge = desk.possession.challenge(desk.enrolment.id, ProofFor.SIGN_ON)
    return desk.key.proof(ORIGIN, ProofFor.UNLOCK, desk.enrolment.id, challenge)


def at_another_address(desk: Desk) -> Proof:
    """A page that looks like ours, elsewhere, passes our challenge on."""
    return desk.proof(origin="https://records.example-nhs.uk")


def challenge_of_another_address(desk: Desk) -> Proof:
    there = desk.at("https://old-records.example.nhs.uk").challenge(desk.enrolment.id, ProofFor.SIGN_ON)
    return desk.proof(challenge=there)


def challenge_of_another_device(desk: Desk) -> Proof:
    return desk.proof(challenge=desk.possession.challenge("0" * 32, ProofFor.SIGN_ON))


def challenge_under_another_key(desk: Desk) -> Proof:
    forged = desk.at(ORIGIN, Seal([b"f" * 32])).challenge(desk.enrolment.id, ProofFor.SIGN_ON)
    return desk.proof(challenge=forged)


def challenge_for_another_thing(desk: Desk) -> Proof:
    """Another sealed value of ours is no challenge."""
    return desk.proof(challenge=desk.seal.seal(b"[]", purpose="ticket"))


def challenge_of_a_megabyte(desk: Desk) -> Proof:
    return desk.proof(challenge="A" * (1 << 20))


def no_challenge(desk: Desk) -> Proof:
    return replace(desk.proof(), challenge="")


def in_der(desk: Desk) -> Proof:
    return desk.proof(der=True)


def no_signature(desk: Desk) -> Proof:
    return replace(desk.proof(), signature="")


def signature_of_zeros(desk: Desk) -> Proof:
    return replace(desk.proof(), signature="A" * 86)


def signature_padded(desk: Desk) -> Proof:
    proof = desk.proof()
    return replace(proof, signature=proof.signature + "==")


def signature_with_more_behind(desk: Desk) -> Proof:
    proof = desk.proof()
    return replace(proof, signature=proof.signature + "AAAA")


def too_late(desk: Desk) -> Proof:
    proof = desk.proof()
    desk.now += CHALLENGE_LIFE + 1
    return proof


def from_the_future(desk: Desk) -> Proof:
    proof = desk.proof()
    desk.now -= 1
    return proof


def of_another_id(desk: Desk) -> Proof:
    return replace(desk.proof(), device="0" * 32)


def revoked(desk: Desk) -> Proof:
    desk.enrolment = replace(desk.enrolment, revoked=T0 - 1)
    return desk.proof()


def pending(desk: Desk) -> Proof:
    desk.enrolment = replace(desk.enrolment, pending=True)
    return desk.proof()


def by_certificate(desk: Desk) -> Proof:
    """The device has a certificate and no key: nothing that a script sends is its proof."""
    desk.enrolment = replace(desk.enrolment, key=None, certificate=Certificate("CN=CA", "CN=pc"))
    return desk.proof()


BAD: dict[str, list[Callable[[Desk], Proof]]] = {
    "device-signature": [
        of_another_key, signed_for_something_else, at_another_address, in_der, no_signature, signature_of_zeros,
        signature_padded, signature_with_more_behind,
    ],
    "device-purpose": [for_something_else],
    "device-origin": [challenge_of_another_address],
    "device-challenge": [
        challenge_of_another_device, challenge_under_another_key, challenge_for_another_thing, challenge_of_a_megabyte,
        no_challenge,
    ],
    "device-expired": [too_late, from_the_future],
    "device-unknown": [of_another_id, by_certificate],
    "device-revoked": [revoked],
    "device-pending": [pending],
}  # fmt: skip
CASES = [(reason, case) for reason, cases in BAD.items() for case in cases]


@pytest.mark.parametrize(("reason", "case"), CASES, ids=lambda value: getattr(value, "__name__", value))
async def test_a_bad_proof_is_refused_with_its_reason(desk: Desk, reason: str, case: Callable[[Desk], Proof]) -> None:
    """Whatever is wrong with it, the device has not proved itself, and the code says what it was."""
    proof = case(desk)
    with pytest.raises(DeviceRefused) as refused:
        await desk.check(proof)
    assert refused.value.reason == reason
    assert reason in DEVICE_REASONS
    assert proof.signature not in str(refused.value) or not proof.signature


async def test_a_proof_is_good_once(desk: Desk) -> None:
    """Whoever saw it on the way gets nothing for it."""
    proof = desk.proof()
    await desk.check(proof)
    with pytest.raises(DeviceRefused) as refused:
        await desk.check(proof)
    assert refused.value.reason == "device-replayed"


async def test_a_bad_signature_does_not_use_a_challenge_up(desk: Desk) -> None:
    """Nobody without the key can spoil the device's own proof, or fill our memory."""
    proof = desk.proof()
    with pytest.raises(DeviceRefused):
        await desk.check(replace(proof, signature=of_another_key(desk).signature))
    assert desk.used == set()
    assert await desk.check(proof)


@pytest.mark.parametrize("text", ["", "x", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n", "../../etc/passwd"])
def test_what_is_no_device_s_id_gets_no_challenge(desk: Desk, text: str) -> None:
    """Ids are 32 hexadecimal digits."""
    with pytest.raises(DeviceRefused, match="not enrolled"):
        desk.possession.challenge(text, ProofFor.SIGN_ON)


GOOD_JWK = BrowserKey().jwk()
BAD_KEYS: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "a private half": {**GOOD_JWK, "d": GOOD_JWK["x"]},
    "more than a key": {**GOOD_JWK, "kid": "1"},
    "another curve": {**GOOD_JWK, "crv": "P-384"},
    "another kind": {**GOOD_JWK, "kty": "RSA"},
    "off the curve": {**GOOD_JWK, "y": GOOD_JWK["x"]},
    "the point at infinity": {**GOOD_JWK, "x": "A" * 43, "y": "A" * 43},
    "a short coordinate": {**GOOD_JWK, "x": GOOD_JWK["x"][:-2]},
    "padding": {**GOOD_JWK, "x": GOOD_JWK["x"] + "="},
    "a number": {**GOOD_JWK, "x": 7},
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_what_is_no_public_key_on_p_256_is_not_enrolled(case: str) -> None:
    """Another curve, a private half that should have stayed where it is, no point at all."""
    with pytest.raises(DeviceRefused) as refused:
        PublicKey.read(BAD_KEYS[case])
    assert refused.value.reason == "device-key"


NURSE = Principal("https://login.example", "n.okoye", "N Okoye", "R8001", frozenset({"nurse"}))
FOUND = Device("", "", DeviceClass.PHONE, Ownership.UNKNOWN, zone="", posture=Posture.OFF_SITE)


def test_an_enrolled_device_is_what_its_enrolment_says(desk: Desk) -> None:
    """Name, ownership and whether it is managed; class, zone and posture stay as they were found."""
    expected = replace(FOUND, id=desk.enrolment.id, name="Ward 7 PC 3", ownership=Ownership.SHARED, managed=True)
    assert desk.enrolment.device(FOUND, NURSE) == expected


@pytest.mark.parametrize("change", [{"pending": True}, {"revoked": T0}, {"owner": (NURSE.issuer, "dr.lee")}])
def test_a_device_that_may_not_vouch_is_unknown(desk: Desk, change: dict[str, Any]) -> None:
    """Pending, revoked, or somebody else's own: as it was found, without an id."""
    assert replace(desk.enrolment, **change).device(FOUND, NURSE) == FOUND


def test_a_personal_device_vouches_for_its_owner(desk: Desk) -> None:
    """For whoever enrolled it, issuer and subject both."""
    own = replace(desk.enrolment, ownership=Ownership.PERSONAL, owner=(NURSE.issuer, NURSE.subject))
    assert own.device(FOUND, NURSE).id == own.id


@pytest.mark.parametrize(
    ("name", "ward"), [("", "Ward 7"), ("  ", ""), ("x" * 81, ""), ("PC\n3", ""), ("PC", "\x1b[31m")]
)
def test_a_device_has_a_name_that_people_can_read(name: str, ward: str) -> None:
    """Empty, endless and with control characters are refused."""
    with pytest.raises(DeviceRefused) as refused:
        Invitation.named(name, ward, Ownership.SHARED)
    assert refused.value.reason == "device-name"


def test_an_invitation_is_kept_whole() -> None:
    """What was invited is what enrols."""
    invitation = Invitation.named("Ward 7 PC 3", "Ward 7", Ownership.ISSUED, managed=True, by="ana")
    assert Invitation.from_json(invitation.to_json()) == invitation
    assert json.loads(invitation.to_json())["ownership"] == "issued"


@pytest.mark.parametrize(
    ("issuer", "subject"), [("", "CN=pc"), ("CN=CA", ""), ("CN=CA", "CN=\x00"), ("C" * 1025, "CN=pc")]
)
def test_a_certificate_without_names_is_none(issuer: str, subject: str) -> None:
    """Both names are there, printable and of bounded length."""
    with pytest.raises(DeviceRefused) as refused:
        Certificate.named(issuer, subject)
    assert refused.value.reason == "device-certificate"
