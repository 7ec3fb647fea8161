"""What the gateway asks of a store: small, asynchronous, and either an answer or StoreUnavailable.

ShiftStore, SessionStore, DeviceStore, BadgeStore and LastSignOnStore are sso's words; the rest is here. Everything that is
kept is sealed, and found by a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sso.badge import BadgeStore
from sso.device import DeviceStore
from sso.last_sign_on import LastSignOnStore
from sso.session import Session, SessionStore
from sso.shift import Shift, ShiftStore


def key_hash(*parts: str) -> str:
    """One key out of several parts, each with its length, so that no two tuples join alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


# A page asks for its next cookie again and again while an answer is lost: as often as it can before the one it has lapses.
_OLDER = 4


def outlived(lives: Iterable[tuple[float, str]]) -> list[str]:
    """Of a session's cookies at one host, by end and name, those that a new one replaces: all but the newest few.

    A browser may have been given those and not have taken them, and be at work with the one before.
    """
    return [name for _, name in sorted(lives)[:-_OLDER]]


class CodeStore(Protocol):
    """Values that are good once: sign-ons under way, one-time codes, tickets, used token ids."""

    async def put_code(self, kind: str, code: str, value: bytes, expires: float) -> None: ...

    async def take_code(self, kind: str, code: str, now: float) -> bytes | None:
        """The value, once: the second caller gets None."""
        ...

    async def read_code(self, kind: str, code: str, now: float) -> bytes | None:
        """The value, left where it is."""
        ...

    async def first_time(self, kind: str, code: str, expires: float, now: float) -> bool:
        """Whether this code is seen for the first time; remembered until `expires`."""
        ...


class UpstreamStore(Protocol):
    """Log-ons at systems, in versions that never come twice: whoever holds an older one sees that it is older."""

    async def put_upstream(
        self, key: tuple[str, ...], value: bytes, owner_session: str, *, after: int | None = None
    ) -> int | None:
        """Keep it as a new version, and give that. With `after`: None, and nothing kept, where another version than that
        stands there by now (0: none does)."""
        ...

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None: ...

    async def upstream_version(self, key: tuple[str, ...]) -> int:
        """0 where there is none."""
        ...

    async def delete_upstream(self, key: tuple[str, ...]) -> None: ...


class LeaseStore(Protocol):
    """Who alone may do something for a while. Seconds are those of the store's own clock, which all of its users share."""

    async def take_lease(self, name: str, holder: str, lasts: float) -> int | None:
        """A fence, higher with every taking; None while another holds it."""
        ...

    async def renew_lease(self, name: str, holder: str, lasts: float) -> bool:
        """From now on. False where it is not this holder's any more."""
        ...

    async def drop_lease(self, name: str, holder: str) -> None: ...


class FactorStore(Protocol):
    """What clinicians unlock with, and counts of tries that hold against several gateways at once."""

    async def put_factor(self, issuer: str, subject: str, kind: str, value: bytes) -> None: ...

    async def factor(self, issuer: str, subject: str, kind: str) -> bytes | None: ...

    async def tally(self, kind: str, key: str, now: float, expires: float) -> int:
        """Count one more, and say how many there are with it. Those counted before begin anew once they have expired; `expires`
        is of the first."""
        ...

    async def take_back(self, kind: str, key: str) -> None:
        """Count one less."""
        ...

    async def clear_tally(self, kind: str, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A row of the vault. `key` is the hash of (issuer, subject, system); the rest is sealed by the vault."""

    key: str
    about: str
    value: str


class VaultStore(Protocol):
    """Data keys and what is sealed under them, by hashes. `person` is the hash of (issuer, subject)."""

    async def vault_key(self, person: str) -> str | None:
        """The person's wrapped data key."""
        ...

    async def vault_keys(self) -> list[tuple[str, str]]:
        """Every person, with the wrapped data key."""
        ...

    async def rewrap_vault_key(self, person: str, old: str, new: str) -> bool:
        """False, and nothing changed, where another than `old` stands by now."""
        ...

    async def put_credential(self, person: str, wrapped: str, kept: SealedCredential) -> bool:
        """Keep or replace. `wrapped` becomes the person's data key where there is none; False, and nothing kept, where
        another stands there: what was sealed under this one would never open."""
        ...

    async def note_credential(self, kept: SealedCredential) -> None:
        """New words about the same value; nothing where the value is another by now, or gone."""
        ...

    async def credential(self, key: str) -> SealedCredential | None: ...

    async def credentials_of(self, person: str) -> list[SealedCredential]: ...

    async def forget_credential(self, person: str, key: str) -> bool:
        """Whether it was there. A person's data key goes with the last of them."""
        ...


class Cookie(NamedTuple):
    """A session's cookie at one host."""

    session: Session
    shift: Shift
    host: str
    until: float  # when it is worth nothing any more


@dataclass(frozen=True, slots=True)
class Heard:
    """Which shifts and sessions somebody else has written (`key_hash` of their ids) since an earlier `place`. None: too many, or
    nobody knows; nothing that was read before is to be believed."""

    place: str
    keys: frozenset[str] | None


class Store(
    ShiftStore,
    SessionStore,
    DeviceStore,
    BadgeStore,
    LastSignOnStore,
    CodeStore,
    UpstreamStore,
    LeaseStore,
    FactorStore,
    VaultStore,
    Protocol,
):
    """All of it, and what a cache needs."""

    @property
    def shared(self) -> bool:
        """Whether other gateways may write there too."""
        ...

    async def begin(self) -> None:
        """Once, before anything else is asked. Raises ConfigError where it may not be used as it is set."""
        ...

    async def watch(self) -> None:
        """Called every second by whoever serves. Raises StoreUnavailable."""
        ...

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie's hash, or nothing of the three.

        Raises DeviceRefused when the session's device was revoked meanwhile.
        """
        ...

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""
        ...

    async def heard(self, since: str | None) -> Heard:
        """What others have written since that place (None: only where we are now). What this object wrote is not in it, nor is
        when sessions were last seen."""
        ...

    async def sweep(self, now: float) -> None:
        """Forget what has expired."""
        ...

    async def close(self) -> None: ...
