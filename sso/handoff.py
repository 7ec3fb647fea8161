"""Hand-off: a device that nobody is signed on at joins the shift of somebody who is.

The new device asks and shows a code; the clinician types or scans it where they are signed on, sees which device asks and
where it is, and says yes with a fresh proof. Then the signed-on device shows a number, and the new device asks for it. So neither
side is taken in by the other: whoever shows their own code to a clinician far away does not have the number, and whoever sits
down at a device that somebody else prepared is told whose shift it is before it is theirs (docs/handoff.md). Pure.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict, dataclass

ASKING_LIFE = 60.0  # seconds that a code is good for
GIVING_LIFE = 180.0  # from the code being typed to the new device's seat: a fresh proof fits in
_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"  # nothing that is read as something else, and no words
_LENGTH = 8
_NUMBER = 3  # digits


def new_code() -> str:
    """Some 38 random bits, for a minute, and for a signed-on clinician only."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def shown(code: str) -> str:
    """As people read it: `BCDF 2345`."""
    return f"{code[:4]} {code[4:]}"


def plain(typed: str) -> str:
    """A code as it was typed, or empty where it can be none."""
    code = "".join(typed.split()).replace("-", "").upper()
    return code if len(code) == _LENGTH and set(code) <= set(_ALPHABET) else ""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the browser (the hash of its secret), and what is known of the device in words for people."""

    browser: str
    device: str  # `Phone`, or the enrolled device's name
    enrolled: str  # the id of an enrolled device that has proved itself; "" for any other
    where: str  # the zone's name; empty outside the hospital's network
    source: str  # address
    asked: float

    @property
    def known(self) -> bool:
        return bool(self.enrolled)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Asking:
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True)
class Giving:
    """The answer to one browser: whose shift it may join and the number that proves that its user sees the giver's screen."""

    session: str  # the giver's
    name: str
    number: str
    device: str = ""  # the enrolled one that it was said yes to: no other takes it
    refused: bool = False

    @classmethod
    def of(cls, session: str, name: str, device: str) -> Giving:
        return cls(session, name, f"{secrets.randbelow(10**_NUMBER):0{_NUMBER}d}", device)

    @classmethod
    def refusal(cls) -> Giving:
        return cls("", "", "", refused=True)

    def matches(self, typed: str) -> bool:
        """In constant time. Whoever asks takes the giving out first: there is one try."""
        number = "".join(typed.split())
        return not self.refused and hmac.compare_digest(number.encode(), self.number.encode())

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Giving:
        return cls(**json.loads(data))
