"""A token's text into its header, payload and signed bytes, or a refusal. No key is asked here.

Only the compact serialisation of JWS (RFC 7515, section 7.1) with JSON that has one reading. The libraries take more:
duplicate keys (the last wins), `NaN`, JSON serialisations, header parameters that bring their own keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

MAX_TOKEN = 40_000  # characters: a few thousand groups; beyond that a token would not fit into a kept shift
_MAX_HEADER = 4_000
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# Header parameters that choose a key, change what is signed, or ask for understanding: we have none of them.
_FORBIDDEN = ("crit", "b64", "jwk", "jku", "x5c", "x5u", "zip", "enc")


class MalformedToken(ValueError):
    """Not one compact JWS of JSON objects. The message names what is wrong, never the content."""


@dataclass(frozen=True, slots=True)
class Compact:
    """An unverified token. `payload` is bytes: nobody reads it before the signature holds."""

    algorithm: str
    kid: str | None
    typ: str | None  # lower case, without `application/`
    payload: bytes = field(repr=False)
    text: str = field(repr=False)


def read(text: str) -> Compact:
    """The three parts. Raises MalformedToken."""
    if len(text) > MAX_TOKEN:
        raise MalformedToken(f"the token is longer than {MAX_TOKEN} characters")
    if not _COMPACT.fullmatch(text):
        raise MalformedToken("the token is not a compact JWS of three parts")
    header, payload, _ = text.split(".")
    if len(header) > _MAX_HEADER:
        raise MalformedToken("the token's header is too long")
    fields = strict_object(_decoded(header))
    for name in _FORBIDDEN:
        if name in fields:
            raise MalformedToken(f"the token's header has `{name}`, which is never taken from a token")
    algorithm = _text(fields, "alg")
    if algorithm is None:
        raise MalformedToken("the token's header has no `alg`")
    typ = _text(fields, "typ")
    short = typ.lower().removeprefix("application/") if typ is not None else None
    return Compact(algorithm, _text(fields, "kid"), short, _decoded(payload), text)


def strict_object(data: bytes) -> dict[str, object]:
    """A JSON object in UTF-8 in which no key stands twice and no number is `NaN` or infinite. Raises MalformedToken."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except MalformedToken:
        raise
    except (ValueError, RecursionError):  # ValueError: also UnicodeDecodeError and absurdly long integers
        raise MalformedToken("it is not valid JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise MalformedToken("it is JSON, but not an object")
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedToken("a JSON key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise MalformedToken("a JSON number is not a number")


def _text(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if name not in fields:
        return None
    if not isinstance(value, str) or not value or len(value) > 256:
        raise MalformedToken(f"the token's header has a `{name}` that is no short text")
    return value


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise MalformedToken("a part of the token is not base64url") from None
