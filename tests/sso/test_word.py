"""The gateway's word: signed for one audience and a minute, with keys that every gateway has and nobody keeps."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sso.word import PERIOD, Word

OURS, OLDER = b"k" * 32, b"o" * 32
URL = "https://records.test"


class Clock:
    def __init__(self, day: float = 20_000) -> None:
        self.now = day * PERIOD

    def __call__(self) -> float:
        return self.now


def checked(token: str, public: list[dict[str, Any]]) -> dict[str, Any]:
    """As a system would. Raises JoseError."""
    return dict(jwt.decode(token, KeySet.import_key_set({"keys": public}), algorithms=["ES256"]).claims)  # type: ignore[typeddict-item]  # any JWK


def test_it_is_for_one_audience_and_a_minute() -> None:
    """Who, by whom, for whom, from when until when; never twice the same."""
    clock = Clock()
    word = Word(URL, [OURS], clock)
    claims = checked(word.assertion("orders", {"sub": "lee", "iss": "somebody else", "exp": 9e9}), word.public())
    told = claims.pop("jti")
    assert claims == {"sub": "lee", "iss": URL, "aud": "orders", "iat": clock.now, "exp": clock.now + 60}
    assert checked(word.assertion("orders", {"sub": "lee"}), word.public())["jti"] != told


def test_every_gateway_has_the_same_keys() -> None:
    """Two that share the operator's keys, one of which has a newer one in front already."""
    one, other = Word(URL, [OURS], Clock()), Word(URL, [b"n" * 32, OURS], Clock())
    assert checked(one.assertion("orders", {"sub": "lee"}), other.public())["sub"] == "lee"
    with pytest.raises((JoseError, ValueError)):
        checked(other.assertion("orders", {"sub": "lee"}), one.public())


def test_a_key_is_known_a_day_before_it_signs_and_a_day_after() -> None:
    """Whoever reads the public keys once a day can check every word."""
    clock = Clock()
    word = Word(URL, [OURS, OLDER], clock)
    public, today = word.public(), word.assertion("orders", {"sub": "lee"})
    clock.now += PERIOD
    assert checked(word.assertion("orders", {"sub": "lee"}), public)["sub"] == "lee"
    assert checked(today, word.public())["sub"] == "lee"
    clock.now += PERIOD
    with pytest.raises((JoseError, ValueError)):
        checked(word.assertion("orders", {"sub": "lee"}), public)


def test_nothing_private_is_public() -> None:
    """A JWK's `d` is the private key."""
    public = Word(URL, [OURS, OLDER], Clock()).public()
    assert len({key["kid"] for key in public}) == 6
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in public)
