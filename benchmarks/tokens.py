"""Tokens as long as a real provider's, with claims such as Entra ID and Keycloak put in: memory and sealing are measured by them."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from typing import Any

_TENANT = str(uuid.UUID(int=0x5C9B0DA1_6F0E_4F3B_9D2C_5A1B7E9F0C3D))
_GROUPS = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"group {n}")) for n in range(200)]
_EACH_IN = 4  # groups
_RSA_2048 = 256  # bytes of a signature


def claims(issuer: str, client: str, subject: str, now: int, nonce: str) -> dict[str, Any]:
    """What an ID token says of a nurse; `sid` is of this sign-on."""
    number = sum(subject.encode())
    return {
        "aud": client, "iss": issuer, "iat": now, "nbf": now, "exp": now + 300, "auth_time": now, "acr": "aal2",
        "aio": _drawn(48), "amr": ["pwd", "mfa"], "nonce": nonce, "email": f"{subject}@trust.nhs.example",
        "groups": [_GROUPS[(number * 7 + n * 31) % len(_GROUPS)] for n in range(_EACH_IN)], "name": f"Person {subject}",
        "oid": str(uuid.uuid4()), "preferred_username": subject, "organisation": "RBENCH",
        "roles": ["nurse"], "sid": str(uuid.uuid4()), "sub": subject, "tid": _TENANT, "uti": _drawn(16), "ver": "2.0",
    }  # fmt: skip


def unsigned(said: dict[str, Any]) -> str:
    """An ID token of these claims, as long as a signed one and as random, that nobody verifies."""
    header = {"typ": "JWT", "alg": "RS256", "kid": "IrC6vpfHC9vbQkHfAJ5Di4QmV9w"}
    return ".".join(
        _text(part) for part in (json.dumps(header).encode(), json.dumps(said).encode(), secrets.token_bytes(_RSA_2048))
    )


def refresh_token(begins: str = "1") -> str:
    """An opaque one of a kilobyte. `begins`: what stands before its first dot."""
    return f"{begins}.A{_drawn(64)}.{_drawn(700)}"


def access_token(subject: str) -> str:
    """One that says whose it is, and is as long as they are."""
    return f"{subject}.{_drawn(900)}"


def _drawn(count: int) -> str:
    return secrets.token_urlsafe(count)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
