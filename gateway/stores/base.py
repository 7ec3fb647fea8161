"""What the gateway asks of a store: small, asynchronous, and either an answer or StoreUnavailable.

ShiftStore, SessionStore and DeviceStore are sso's words; the rest is here. Everything that is kept is sealed, and found by a hash.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from sso.device import DeviceStore
from sso.session import Session, SessionStore
from sso.shift import Shift, ShiftStore


def key_hash(*parts: str) -> str:
    """One key out of several parts, each with its length, so that no two tuples join alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


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
    async def put_upstream(self, key: tuple[str, ...], value: bytes, owner_session: str) -> None: ...

    async def get_upstream(self, key: tuple[str, ...]) -> bytes | None: ...

    async def delete_upstream(self, key: tuple[str, ...]) -> None: ...


class Store(ShiftStore, SessionStore, DeviceStore, CodeStore, UpstreamStore, Protocol):
    """All of it, and what a cache needs."""

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie's hash, or nothing of the three.

        Raises DeviceRefused when the session's device was revoked meanwhile.
        """
        ...

    async def by_token(self, hashed: str) -> tuple[Session, Shift, str] | None:
        """The session of a cookie's hash, its shift, and the host that the cookie is for."""
        ...

    async def version(self) -> int:
        """A number that changes whenever somebody else has written."""
        ...

    async def sweep(self, now: float) -> None:
        """Forget what has expired."""
        ...

    async def close(self) -> None: ...
