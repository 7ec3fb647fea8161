"""Our own client key, and what we sign with it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import import_key

from sso.assertion import ALGORITHMS, LIFE, ClientKey
from sso.testing import private_pem

_RSA = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_assertion_verifies_under_the_published_key(algorithm: str) -> None:
    """The public half in our key set verifies what the private half signed, under the same name, and holds no more."""
    key = ClientKey(private_pem(ALGORITHMS[algorithm]), algorithm)
    published = key.public()
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(published)
    assert (published["use"], published["alg"]) == ("sig", algorithm)
    now = 1_800_000_000.9
    token = jwt.decode(key.assertion("gw", "https://idp.test:443/t", now), import_key(published), [algorithm])
    assert token.header["kid"] == published["kid"]
    assert {name: token.claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": "gw", "sub": "gw", "aud": "https://idp.test:443/t"
    }  # fmt: skip
    assert token.claims["exp"] - token.claims["iat"] == LIFE <= 300


def test_no_two_assertions_are_alike() -> None:
    """Each has a `jti` of its own, also within one second."""
    key = ClientKey(private_pem("EC"))
    assert len({key.assertion("gw", "aud", 1.0).split(".")[1] for _ in range(20)}) == 20


def test_the_algorithm_follows_the_key() -> None:
    """Without `client_alg` an RSA key signs RS256, an EC key ES256."""
    assert ClientKey(private_pem("RSA")).algorithm == "RS256"
    assert ClientKey(private_pem("EC")).algorithm == "ES256"


@pytest.mark.parametrize(("kind", "algorithm"), [("RSA", "ES256"), ("EC", "RS512"), ("EC", "none"), ("RSA", "HS256")])
def test_an_algorithm_of_another_key_type_is_refused(kind: str, algorithm: str) -> None:
    """A key never signs with an algorithm that is not its own."""
    with pytest.raises(ValueError, match="client_alg"):
        ClientKey(private_pem(kind), algorithm)


UNFIT = {
    "no PEM": b"hello",
    "nothing": b"",
    "a public key": _RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "an encrypted key": _RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "another curve": ec.generate_private_key(ec.SECP384R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_key_that_cannot_sign_is_refused_with_a_remedy(what: str) -> None:
    """The message says what to make, and repeats nothing of the file."""
    with pytest.raises(ValueError, match="openssl genpkey") as refused:
        ClientKey(UNFIT[what])
    assert not UNFIT[what] or UNFIT[what].decode() not in str(refused.value)
