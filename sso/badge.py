"""A badge: a number that a reader types. It selects a clinician, and proves nothing: badges are lent, found and copied.

`number` is what is left of a reader's habits. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

MOST = 4  # of one clinician
LONGEST = 64  # characters that a reader types
_NUMBER = re.compile(r"[0-9A-Z]{4,32}")


class Holder(NamedTuple):
    """Whose a badge is."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Badge:
    """One that is registered. Its number is kept nowhere; `id` names it and tells nothing of it."""

    id: str
    holder: Holder
    registered: float  # seconds since the epoch
    by: str  # `clinician` or `import`


class BadgeRefused(ValueError):
    """Not registered. The message is for whoever tried, and does not repeat the number."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def number(typed: str, prefix: str = "", suffix: str = "") -> str:
    """The number in what a reader typed; "" where there can be none. One badge has one number, whichever reader reads it:

    blanks, tabs and line ends around it go; then `prefix` and `suffix`, where they are there; then blanks, colons and dashes
    within; letters become capitals; zeros before it go. Four to 32 letters and digits are left.
    """
    if len(typed) > LONGEST or not typed.isascii():
        return ""
    text = typed.strip().removeprefix(prefix).removesuffix(suffix)
    plain = re.sub(r"[ :-]", "", text).upper().lstrip("0")
    return plain if _NUMBER.fullmatch(plain) else ""


class BadgeStore(Protocol):
    """Where badges are kept, by a keyed hash of their number. Every method raises StoreUnavailable."""

    async def put_badge(self, hashed: str, badge: Badge) -> bool:
        """False, and nothing kept, where the number is somebody's already."""
        ...

    async def badge(self, hashed: str) -> Badge | None: ...

    async def badges_of(self, holder: Holder) -> list[Badge]:
        """Oldest first."""
        ...

    async def forget_badge(self, holder: Holder, badge_id: str) -> bool:
        """Whether it was there."""
        ...
