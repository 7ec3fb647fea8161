"""What a system asks for with 401, and what is answered: HTTP authentication (RFC 9110 section 11), Basic (RFC 7617), Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

from ..base import Credential

# Of several offers the first of these is taken.
_ALGORITHMS = ("sha-512-256", "sha-256", "md5")
_ITEM = re.compile(
    r"""\s*,?\s*(?:
        (?P<name>[\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
      | (?P<scheme>[\w!#$%&'*+.^`|~-]+)(?:\s+(?P<token>[A-Za-z0-9._~+/-]+=*)(?=\s*(?:,|$)))?
    )""",
    re.VERBOSE | re.ASCII,
)
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One offer of `WWW-Authenticate`: its scheme in lower case, its parameters."""

    scheme: str
    parameters: dict[str, str]

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "md5").lower().removesuffix("-sess")

    @property
    def for_a_session(self) -> bool:
        return self.parameters.get("algorithm", "").lower().endswith("-sess")

    @property
    def answerable(self) -> bool:
        if self.scheme == "basic":
            return True
        offered = {word.strip().lower() for word in self.parameters.get("qop", "auth").split(",")}
        return (
            self.scheme == "digest"
            and "nonce" in self.parameters
            and self.algorithm in _ALGORITHMS
            and "auth" in offered
        )


def challenges(lines: Iterable[str]) -> list[Challenge]:
    """What the lines offer, as far as they can be read: several may stand in one."""
    found: list[Challenge] = []
    for line in lines:
        at = 0
        while at < len(line) <= _LONGEST and (item := _ITEM.match(line, at)) and item.end() > at:
            at = item.end()
            if item["scheme"]:
                found.append(Challenge(item["scheme"].lower(), {}))
            elif found:
                value = re.sub(r"\\(.)", r"\1", item["quoted"]) if item["plain"] is None else item["plain"]
                found[-1].parameters.setdefault(item["name"].lower(), value)
    return found


def strongest(offers: Iterable[Challenge], scheme: str = "") -> Challenge | None:
    """The one to answer, of those that can be; `scheme`: no other."""
    can = [one for one in offers if one.answerable and scheme in ("", one.scheme)]
    return min(can, key=lambda one: _ALGORITHMS.index(one.algorithm) if one.scheme == "digest" else 9, default=None)


def basic(credential: Credential, charset: str) -> str:
    """Raises UnicodeEncodeError."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.secret}".encode(charset)).decode("ascii")


@dataclass(frozen=True, slots=True)
class Digest:
    """A credential at one challenge. What is kept is what the answer is made of, not the password (RFC 7616 section 3.4.2)."""

    parameters: dict[str, str]
    username: str
    keyed: str  # H(user name, realm, password)

    @classmethod
    def of(cls, challenge: Challenge, credential: Credential, charset: str) -> Digest:
        """Raises UnicodeEncodeError."""
        word = f"{credential.username}:{challenge.parameters.get('realm', '')}:{credential.secret}".encode(charset)
        kept = {name: challenge.parameters[name] for name in _KEPT if name in challenge.parameters}
        return cls(kept, credential.username, _hash(challenge.algorithm)(word))

    def after(self, nonce: str) -> Digest:
        """With the nonce that the system wants next (`Authentication-Info`, section 3.5)."""
        return replace(self, parameters={**self.parameters, "nonce": nonce})

    def answer(self, method: str, target: str, count: int) -> str:
        """The `Authorization` of one request; `count`: which with this nonce, never twice the same."""
        asked, said = Challenge("digest", self.parameters), self.parameters
        nonce, client, counted = said["nonce"], secrets.token_hex(16), f"{count & 0xFFFFFFFF:08x}"
        with_quality = "qop" in said

        def hashed(*parts: str) -> str:
            return _hash(asked.algorithm)(":".join(parts).encode("latin-1"))

        keyed = hashed(self.keyed, nonce, client) if asked.for_a_session else self.keyed
        middle = (nonce, counted, client, "auth") if with_quality else (nonce,)
        fields = [
            _named(self.username),
            _quoted("realm", said.get("realm", "")),
            _quoted("nonce", nonce),
            _quoted("uri", target),
            _quoted("response", hashed(keyed, *middle, hashed(method, target))),
        ]
        if "opaque" in said:
            fields.append(_quoted("opaque", said["opaque"]))
        if "algorithm" in said:
            fields.append(f"algorithm={said['algorithm']}")
        if with_quality or asked.for_a_session:
            fields.append(_quoted("cnonce", client))
        if with_quality:
            fields += ["qop=auth", f"nc={counted}"]
        return "Digest " + ", ".join(fields)


_KEPT = ("realm", "nonce", "opaque", "algorithm", "qop")


def _hash(algorithm: str) -> Callable[[bytes], str]:
    name = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}[algorithm]
    # MD5 is what an old system asks for; Basic, beside it, says the password itself.
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


def _named(username: str) -> str:
    """Section 3.4: another way for a name that is not ASCII."""
    return _quoted("username", username) if username.isascii() else f"username*=UTF-8''{quote(username, safe='')}"


def _quoted(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'
