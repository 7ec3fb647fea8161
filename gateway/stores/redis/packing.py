"""Shifts and sessions in as few bytes as may be, before they are sealed, and back: a third of what their JSON would take.

Words that most of them have are known beforehand. Nothing that opens anything (a refresh token, an ID token's signature) is compressed
together with anything else: how long the sealed value is tells whoever chose a name or a claim nothing about a secret beside it.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

_FORMAT = b"\x01"  # another one with another list of words
_LENGTH = 3  # bytes that say how long a part is
# What stands most often stands last. To be left as it is: what was packed with it opens with it alone.
_WORDS = (
    b'{"typ":"JWT","alg":"RS256","x5t":"","kid":"{"alg":"RS256","kid":"","typ":"JWT"}'
    b'"jti":","typ":"ID","azp":","session_state":","email_verified":true,"given_name":","family_name":","nbf":,"idp":","tid":"'
    b'"wids":[","ver":"2.0","uti":","rh":"1.A","oid":"","aio":","updated_at":'
    b'"http://schemas.microsoft.com/identity/claims/https://login.microsoftonline.com//v2.0https://sts.windows.net//realms/'
    b'"iat":,"exp":,"auth_time":,"aud":","nonce":","at_hash":","iss":"https://","email":"@nhs.net","preferred_username":","name":"'
    b'"roles":["nurse","doctor","receptionist"],"groups":["","amr":["pwd","mfa"],"acr":"aal2","aal3","sid":","sub":"'
    b'{"id":"","shift_id":"","created":,"last_seen":,"idle":,"device":{"id":"","name":"","device_class":"desktop"phone"tablet",'
    b'"ownership":"shared"personal"hospital"unknown","managed":false,"zone":"ward","posture":"on-site"},"hosts":["https://'
    b'"],"ended":null,"end_reason":"","provider_session":"","stays":14400.0,"locked":null,"lock_reason":"","turn":0,'
    b'"proof":"federated"pin"passkey","proved":,"desk":"","left":"","follows":false,"raised":0,"raised_until":0.0}'
    b'{"id":"","principal":{"issuer":"https://","subject":"","name":"","role":"","roles":["nurse"],"organisation":"","assurance":2},'
    b'"started":1,"ends":1,"auth_time":1,"checked":1,"acr":"aal2","amr":["pwd","mfa"],"provider_session":"","id_token":"",'
    b'"refresh_token":"","provider_away":false,"ended":null,"end_reason":"","emergency":"","put_off":0.0,"renewed":0}'
)


_HINT, _SECRET = "id_token", "refresh_token"


def packed(fields: dict[str, Any]) -> bytes:
    """`id_token` and `refresh_token`, where they are, are taken to be what a provider gave."""
    plain = {name: value for name, value in fields.items() if name not in (_HINT, _SECRET)}
    said = json.dumps(plain, separators=(",", ":")).encode()
    if _HINT not in fields:
        return _FORMAT + _joined([_deflated(said, _WORDS)])
    claims, signature = _torn(fields[_HINT])
    parts = [_deflated(b"\0".join([said, *claims]), _WORDS), signature, _deflated(fields[_SECRET].encode())]
    return _FORMAT + _joined(parts)


def unpacked(data: bytes) -> dict[str, Any]:
    """Raises ValueError for what was packed by another release."""
    if data[:1] != _FORMAT:
        raise ValueError("it was packed in another way")
    first, *rest = _parts(data[1:])
    said, *claims = _inflated(first, _WORDS).split(b"\0")
    fields: dict[str, Any] = json.loads(said)
    if rest:
        fields |= {_HINT: _whole(claims, rest[0]), _SECRET: _inflated(rest[1]).decode()}
    return fields


def _torn(token: str) -> tuple[list[bytes], bytes]:
    """Header and claims as the JSON that they are, and the signature; no claims, and all of it, where it is no such token."""
    parts = [_decoded(text) for text in token.split(".")]
    if len(parts) != 3 or _whole(parts[:2], parts[2]) != token or b"\0" in parts[0] + parts[1]:
        return [], _deflated(token.encode())
    return parts[:2], parts[2]


def _whole(claims: list[bytes], signature: bytes) -> str:
    if not claims:
        return _inflated(signature).decode()
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*claims, signature))


def _decoded(text: str) -> bytes:
    """Empty for what is not base64url."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _deflated(data: bytes, words: bytes = b"") -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 5, zlib.Z_DEFAULT_STRATEGY, words)
    return packer.compress(data) + packer.flush()


def _inflated(data: bytes, words: bytes = b"") -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, words)
    return unpacker.decompress(data) + unpacker.flush()


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(_LENGTH, "big") + part for part in parts)


def _parts(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        begin = at + _LENGTH
        at = begin + int.from_bytes(data[at:begin], "big")
        found.append(data[begin:at])
    return found
