"""What a clinician's latest federated sign-on said of them, for when the identity provider, or their card, is missing.

Identity, role and organisation of an emergency sign-on come from here and from nowhere else: whoever has never signed on here is not
known, and cannot be made up. Login names and passkeys only select a record; something else proves.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Protocol

from policies.model import Principal

from .passkey import handle

_MOST_ASSURANCE = 2  # a PIN on an enrolled device, or a passkey: two factors, and no smartcard
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class LastSignOn:
    """Kept sealed."""

    principal: Principal
    at: float  # seconds since the epoch
    login: str = ""  # the name by which local systems know the clinician; "" where the provider says none

    @property
    def names(self) -> tuple[str, ...]:
        """What they may type to be selected, each in its plain form."""
        return tuple({plain_name(name) for name in (self.principal.subject, self.login)} - {""})

    @property
    def handle(self) -> bytes:
        """What their passkeys call them."""
        return handle(self.principal.issuer, self.principal.subject)

    def offline(self) -> Principal:
        """Who they are without the provider: never more than it said, and never a smartcard's strength."""
        return replace(self.principal, assurance=min(self.principal.assurance, _MOST_ASSURANCE))


def plain_name(typed: str) -> str:
    """A login name as it is compared; "" for what can be none. It selects, and proves nothing: so case plays no part."""
    name = unicodedata.normalize("NFKC", typed).strip().casefold()
    return name if 0 < len(name) <= _LONGEST_NAME and name.isprintable() else ""


class LastSignOnStore(Protocol):
    """Where they are kept, one for each clinician. Every method raises StoreUnavailable when the store cannot be used."""

    async def put_last_sign_on(self, found: LastSignOn, forget: float) -> None:
        """In place of the one before. `forget`: when it may be swept."""
        ...

    async def last_sign_on(self, issuer: str, subject: str) -> LastSignOn | None: ...

    async def last_sign_on_named(self, name: str) -> LastSignOn | None:
        """By a plain name; None also where two clinicians have it, since it then means neither."""
        ...

    async def last_sign_on_by_handle(self, handle: bytes) -> LastSignOn | None: ...

    async def forget_last_sign_on(self, issuer: str, subject: str) -> bool:
        """Whether there was one."""
        ...
