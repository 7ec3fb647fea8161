"""A PIN: which ones are taken, what is kept of one, and whether a try is it.

Kept is a hash by argon2id (RFC 9106, the second recommended option with one lane: 64 MiB, three passes), about 150 ms of one core on
the machines of 2026 and as much for every guess. Six digits withstand nobody who may try a million times: the limits below, the
device that a PIN is bound to, and the seal around the hash do. `kept` and `fits` are slow on purpose: call them in a thread.
"""

from __future__ import annotations

import re
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

TRIES = 5  # wrong ones in a session, then it ends
PERSON_TRIES = 15  # of one person, in all sessions
DEVICE_TRIES = 20  # wrong ones after a badge at one device, whosever
PERSON_WINDOW = 3600.0  # seconds

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_DIGITS = re.compile(r"[0-9]{6,12}")
_FEWEST = 3  # different digits
_D, _M, _Y = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
# A day, a month and a year in any order that people write them in, or a month and a year.
_DATE = re.compile(
    "|".join(
        part.replace("D", _D).replace("M", _M).replace("Y", _Y).replace("y", "[0-9]{2}")
        for part in ("DMy", "MDy", "yMD", "yDM", "MY", "YM", "DMY", "MDY", "YMD", "YDM")
    )
)


class PinRefused(ValueError):
    """Not taken as a PIN. The message is for the clinician, and does not repeat the digits."""


def chosen(pin: str, again: str) -> str:
    """The PIN, where it may be one. Raises PinRefused."""
    if not _DIGITS.fullmatch(pin):
        raise PinRefused("a PIN has 6 to 12 digits and nothing else")
    if pin != again:
        raise PinRefused("the two are not the same")
    if weak(pin):
        raise PinRefused("that one is among the first that somebody would try: no dates, sequences or repeated digits")
    return pin


def weak(pin: str) -> bool:
    """Few different digits, a sequence, a part repeated, or a date."""
    return len(set(pin)) < _FEWEST or _steady(pin) or _repeated(pin) or _DATE.fullmatch(pin) is not None


def kept(pin: str) -> bytes:
    """What is kept of it, with a salt of its own."""
    return _HASHER.hash(pin).encode()


# Of no digits at all, so that a try costs the same whether there is a PIN or not. Written out: making it would hold up every start.
NOBODY_S = b"$argon2id$v=19$m=65536,t=3,p=1$RmkHKcp1opp8SDa2/ENJ8g$BckeGZiSRVBsvm8jst3TGcB01SQZPB/rZVQ+diND0hE"


def fits(hashed: bytes | None, pin: str) -> bool:
    """Whether the try is what `kept` was made of; where there is none, False after the same time."""
    try:
        right = _HASHER.verify(hashed or NOBODY_S, pin)
    except (Argon2Error, InvalidHashError):
        return False
    return right and hashed is not None


def _steady(pin: str) -> bool:
    """123456, 654321, 789012, 246802: each digit as far from the last as that from the one before."""
    return len({(int(b) - int(a)) % 10 for a, b in pairwise(pin)}) == 1


def _repeated(pin: str) -> bool:
    """121212, 123123."""
    return any(len(pin) % size == 0 and pin == pin[:size] * (len(pin) // size) for size in range(1, len(pin) // 2 + 1))
