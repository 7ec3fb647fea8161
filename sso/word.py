"""The gateway's word about who asks, for systems that believe it: a short signed assertion, and the public keys to check it by.

A JWT (RFC 7519) signed with ES256 (RFC 7518 section 3.4). Its key is derived from the operator's sealing key (HKDF, RFC 5869, to 384 bits,
reduced as in FIPS 186-5 appendix A.2.1) and a new one each day, so that every gateway has the same and none is kept. The public set
holds yesterday's, today's and tomorrow's: whoever reads it once a day knows every key before it signs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import ECKey

from .assertion import SigningKey

LIFE = 60  # seconds
PERIOD = 86_400  # seconds that a key signs for
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SP 800-186 section 3.2.1.3)
_BITS = 384  # 128 more than the order has: what the reduction leaves uneven is out of reach


class Word:
    def __init__(self, issuer: str, keys: Sequence[bytes], now: Callable[[], float]) -> None:
        """`keys`: the operator's, the sealing one first; `issuer`: this gateway's public address."""
        self._issuer = issuer
        self._keys = tuple(keys)
        self._now = now
        self._made: dict[tuple[int, int], SigningKey] = {}

    def assertion(self, audience: str, claims: Mapping[str, Any]) -> str:
        """Signed, about `claims["sub"]`, for `audience` alone, good for a minute."""
        now = int(self._now())
        said = {
            **claims,
            "iss": self._issuer,
            "aud": audience,
            "iat": now,
            "exp": now + LIFE,
            "jti": secrets.token_urlsafe(16),
        }
        return self._key(0, now // PERIOD).signed(said)

    def public(self) -> list[dict[str, Any]]:
        """The public halves as JWKs (RFC 7517), also of keys that other gateways still sign or will sign with."""
        today = int(self._now()) // PERIOD
        days = (today, today + 1, today - 1)
        return [self._key(which, day).public() for which in range(len(self._keys)) for day in days]

    def _key(self, which: int, day: int) -> SigningKey:
        known = self._made.get((which, day))
        if known is None:
            self._made = {(i, d): key for (i, d), key in self._made.items() if d >= day - 2}
            known = self._made[which, day] = _derived(self._keys[which], day)
        return known


def _derived(secret: bytes, day: int) -> SigningKey:
    info = f"lanyard identity assertion, day {day}".encode()
    random = HKDF(algorithm=hashes.SHA256(), length=_BITS // 8, salt=None, info=info).derive(secret)
    private = ec.derive_private_key(int.from_bytes(random, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningKey(ECKey.import_key(pem), "ES256")
