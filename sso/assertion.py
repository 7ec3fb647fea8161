"""Our client key into short signed assertions of who we are (private_key_jwt), and into the public key set.

RFC 7523 section 3 and OpenID Connect Core section 9, in our own few lines: a fresh `jti` for each, good for four
minutes (NHS CIS2 takes five at most), our `kid`, and exactly the token endpoint as audience.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

LIFE = 240  # seconds
# Algorithm → the key type that signs with it.
ALGORITHMS = {"RS256": "RSA", "RS512": "RSA", "PS256": "RSA", "ES256": "EC"}
_REMEDY = "make one with `openssl genpkey` (RSA of 2048 bits or more, or EC P-256) and register its public half"


class SigningKey:
    """A private key, the algorithm it signs with, and its name: the RFC 7638 thumbprint."""

    def __init__(self, key: RSAKey | ECKey, algorithm: str) -> None:
        self._key = key
        self.algorithm = algorithm
        self.kid = key.thumbprint()

    def signed(self, claims: Mapping[str, Any]) -> str:
        """A JWT in its compact form (RFC 7519)."""
        header = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"}
        return jws.serialize_compact(header, json.dumps(dict(claims)), self._key, algorithms=[self.algorithm])

    def public(self) -> dict[str, Any]:
        """The public half as a JWK (RFC 7517)."""
        return {**self._key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}


class ClientKey(SigningKey):
    """What we are known by at the provider."""

    def __init__(self, pem: bytes, algorithm: str | None = None) -> None:
        """From PEM, unencrypted. `algorithm=None`: RS256 or ES256, by the key. Raises ValueError with what to do."""
        key = _load(pem)
        super().__init__(key, algorithm or ("RS256" if key.key_type == "RSA" else "ES256"))
        if ALGORITHMS.get(self.algorithm) != key.key_type:
            raise ValueError(
                f"`client_alg` is `{self.algorithm}`, but `client_key` is an {key.key_type} key: change one"
            )

    def assertion(self, client_id: str, audience: str, now: float) -> str:
        """One signed assertion, for one request."""
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(24),
            "iat": int(now),
            "exp": int(now) + LIFE,
        }
        return self.signed(claims)


def _load(pem: bytes) -> RSAKey | ECKey:
    key: RSAKey | ECKey
    for kind in (RSAKey, ECKey):
        try:
            key = kind.import_key(pem)
        except (
            JoseError,
            ValueError,
            TypeError,
        ):  # another type of key, no PEM, encrypted; the text may repeat the key
            continue
        if not key.is_private:
            raise ValueError(f"`client_key` is a public key: {_REMEDY}")
        if isinstance(key, RSAKey) and key.private_key is not None and key.private_key.key_size < 2048:
            raise ValueError(f"`client_key` is too short: {_REMEDY}")
        if isinstance(key, ECKey) and key.curve_name != "P-256":
            raise ValueError(f"`client_key` is on another curve than P-256: {_REMEDY}")
        return key
    raise ValueError(f"`client_key` is no unencrypted PEM key: {_REMEDY}")
