"""A session: one browser on one device, seated in a shift."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from policies.model import Device


def new_token() -> str:
    """256 random bits for a cookie, URL-safe."""
    return secrets.token_urlsafe(32)


def token_hash(token: str | bytes) -> str:
    """What is stored of a token: a stolen store opens nothing."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


@dataclass(slots=True)
class Session:
    """Kept sealed. `id` is public (journal, paging tokens); cookies are other, secret values, kept as hashes."""

    id: str
    shift_id: str
    created: float
    last_seen: float
    idle: float  # seconds without activity after which it ends (until locks exist)
    device: Device
    hosts: tuple[str, ...] = field(default_factory=tuple)  # origins entered, for sign-off to visit
    ended: float | None = None
    end_reason: str = ""
    provider_session: str = ""  # the provider's `sid` that it was seated by, "" where none was said

    def live(self, now: float) -> bool:
        return self.ended is None and now - self.last_seen < self.idle


class SessionStore(Protocol):
    """Where sessions and their cookies' hashes are kept. A cookie belongs to one host."""

    async def put_session(self, session: Session) -> None: ...

    async def session(self, session_id: str) -> Session | None: ...

    async def add_token(self, session_id: str, host: str, hashed: str) -> None: ...

    async def of_shift(self, shift_id: str) -> list[Session]: ...

    async def touch(self, seen: list[Session]) -> None:
        """Write when these were last seen."""
        ...
