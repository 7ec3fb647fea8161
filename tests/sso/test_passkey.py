"""Passkeys by a security key made of a few lines: what is taken, and everything that is a little wrong and is not."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

from sso import passkey
from sso.passkey import Passkey, PasskeyRefused, Place

HOST, ORIGIN = "records.example.nhs.uk", "https://records.example.nhs.uk"
WARD = Place(HOST, ORIGIN, shared=True)
CHALLENGE = b"c" * 32
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SecurityKey:
    """An authenticator; its fields are what may be wrong."""

    host: str = HOST
    origin: str = ORIGIN
    challenge: bytes = CHALLENGE
    flags: int = PRESENT | VERIFIED
    count: int = 0
    attachment: str = "cross-platform"
    id: bytes = b"key-1"
    secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self) -> dict[str, Any]:
        numbers = self.secret.public_key().public_numbers()
        public = encode_cbor({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        whole = encode_cbor({"fmt": "none", "attStmt": {}, "authData": self._data(ATTESTED) + attested})
        return self._answer("webauthn.create", attestationObject=encoded(whole))

    def proof(self) -> dict[str, Any]:
        data = self._data()
        said = data + hashlib.sha256(self._client("webauthn.get")).digest()
        signature = self.secret.sign(said, ec.ECDSA(hashes.SHA256()))
        return self._answer("webauthn.get", authenticatorData=encoded(data), signature=encoded(signature))

    def _data(self, more: int = 0) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + bytes([self.flags | more]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str) -> bytes:
        return json.dumps({"type": kind, "challenge": encoded(self.challenge), "origin": self.origin}).encode()

    def _answer(self, kind: str, **response: str) -> dict[str, Any]:
        return {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key",
                "authenticatorAttachment": self.attachment,
                "response": {"clientDataJSON": encoded(self._client(kind)), **response}}  # fmt: skip


def kept(key: SecurityKey) -> Passkey:
    return passkey.made(WARD, key.made(), CHALLENGE)


def test_what_was_made_proves() -> None:
    """And counts on; what is kept of it comes out of a store as it went in."""
    key = SecurityKey()
    known = passkey.read(passkey.written([kept(key)]))
    key.count = 7
    assert passkey.proved(WARD, key.proof(), CHALLENGE, known) == replace(known[0], count=7)
    assert passkey.read(None) == []


WRONG: dict[str, dict[str, Any]] = {
    "another host": {"host": "evil.example"},
    "another origin": {"origin": "https://pas.records.example.nhs.uk"},
    "another question": {"challenge": b"d" * 32},
    "a user who was not asked": {"flags": PRESENT},
    "nobody there": {"flags": VERIFIED},
    "built into a shared PC": {"attachment": "platform"},
    "a browser that does not say": {"attachment": None},
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_a_little_wrong_makes_none_and_proves_nothing(how: str) -> None:
    """Each alone; the right one beside it is taken."""
    right = SecurityKey()
    wrong = replace(right, **WRONG[how])
    with pytest.raises(PasskeyRefused):
        passkey.made(WARD, wrong.made(), CHALLENGE)
    with pytest.raises(PasskeyRefused):
        passkey.proved(WARD, wrong.proof(), CHALLENGE, [kept(right)])


def test_another_key_or_a_copy_proves_nothing() -> None:
    """Nobody's, another one under the same name, and one that counts anew."""
    key = SecurityKey(count=5)
    known = [kept(key)]
    for other in (replace(key, id=b"key-2"), SecurityKey(count=9), replace(key, count=4)):
        with pytest.raises(PasskeyRefused):
            passkey.proved(WARD, other.proof(), CHALLENGE, known)
    assert passkey.proved(WARD, replace(key, count=6).proof(), CHALLENGE, known).count == 6


@pytest.mark.parametrize("answer", [{}, {"rawId": 7}, {"rawId": encoded(b"key-1")}, {"response": []}])
def test_an_answer_that_is_none_is_refused(answer: dict[str, Any]) -> None:
    """Whatever a script sends: one error, no other."""
    answer = {"authenticatorAttachment": "cross-platform", **answer}
    with pytest.raises(PasskeyRefused):
        passkey.made(WARD, answer, CHALLENGE)
    with pytest.raises(PasskeyRefused):
        passkey.proved(WARD, answer, CHALLENGE, [kept(SecurityKey())])


def test_what_is_built_in_is_taken_on_a_device_of_one_s_own() -> None:
    """A phone's fingerprint is its owner's."""
    own, key = replace(WARD, shared=False), SecurityKey(attachment="platform")
    known = [passkey.made(own, key.made(), CHALLENGE)]
    assert passkey.proved(own, replace(key, count=1).proof(), CHALLENGE, known).count == 1


def test_the_question_tells_nobody_which_keys_there_are() -> None:
    """At a locked screen it is the same for everybody; a new one is asked to roam, to verify, and not to be made twice."""
    asked = json.loads(passkey.asked_proof(WARD, CHALLENGE))
    assert asked.get("allowCredentials", []) == []
    assert asked["userVerification"] == "required"
    made = json.loads(passkey.asked_new(WARD, "https://op", "n.okoye", "N Okoye", CHALLENGE, [Passkey(b"k", b"", 0)]))
    assert made["authenticatorSelection"]["authenticatorAttachment"] == "cross-platform"
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert [one["id"] for one in made["excludeCredentials"]] == [encoded(b"k")]
    assert "okoye" not in made["user"]["id"]
