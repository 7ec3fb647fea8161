"""A session: one browser on one device, seated in a shift. It locks when idle, and ends long after."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from math import inf
from typing import Protocol

from policies.model import Device


def new_token() -> str:
    """256 random bits for a cookie, URL-safe."""
    return secrets.token_urlsafe(32)


def token_hash(token: str | bytes) -> str:
    """What is stored of a token: a stolen store opens nothing."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


FEDERATED, PIN, PASSKEY = "federated", "pin", "passkey"  # how the clinician last proved themselves in a session

# Why a session is locked.
IDLE, BY_CLINICIAN, SWITCHED, FOLLOW_ME, OTHER_PERSON = "idle", "clinician", "switched", "follow-me", "other-person"


@dataclass(slots=True)
class Session:
    """Kept sealed. `id` is public (journal, paging tokens); cookies are other, secret values, kept as hashes.

    A locked session is live, but may do nothing save be unlocked, signed off or switched from.
    """

    id: str
    shift_id: str
    created: float
    last_seen: float
    idle: float  # seconds without activity after which it locks
    device: Device
    hosts: tuple[str, ...] = field(default_factory=tuple)  # origins entered, for sign-off to visit
    ended: float | None = None
    end_reason: str = ""
    provider_session: str = ""  # the provider's `sid` that it was seated by, "" where none was said
    stays: float = 4 * 3600.0  # seconds that it stays locked before it is over
    locked: float | None = None  # since when; None also while nobody has noticed that it is idle
    lock_reason: str = ""
    turn: int = 0  # locked, unlocked, stepped up so often: whoever has not heard of the latest takes nothing back
    proof: str = FEDERATED
    proved: float = 0.0  # when; 0: when the shift's clinician last did
    desk: str = field(default="", repr=False)  # hash of the mark of the browser that was switched from it
    left: str = field(default="", repr=False)  # the page that a switch left, at any of our origins
    follows: bool = False  # somebody else's pages may still be open in this browser
    raised: int = 0  # the assurance that a step-up brought, above the shift's
    raised_until: float = 0.0  # a lock ends it earlier

    def may_act(self, now: float) -> bool:
        """Neither ended nor locked nor idle."""
        return self.locked is None and now - self.last_seen < self.idle and self.ended is None

    def live(self, now: float) -> bool:
        """Not ended, and not longer locked than it may stay."""
        return self.ended is None and now < self._locks_at() + self.stays

    def locks_in(self, now: float) -> float:
        """Seconds until it locks if nothing is done; 0 for one that is locked."""
        return max(0.0, self._locks_at() - now) if self.locked is None else 0.0

    def _locks_at(self) -> float:
        return self.last_seen + self.idle if self.locked is None else self.locked

    def lock(self, now: float, reason: str) -> None:
        """An idle one has been locked since its idle time was over. A locked one keeps its instant."""
        self.locked = min(now, self._locks_at())
        self.lock_reason = reason
        self.raised, self.raised_until = 0, 0.0
        self.turn += 1

    def unlock(self, now: float, proof: str, proved: float) -> None:
        self.locked, self.lock_reason = None, ""
        self.last_seen = now
        self.proof, self.proved = proof, proved
        self.turn += 1

    def step_up(self, now: float, proved: float, assurance: int, until: float) -> None:
        """By a sign-on at the provider. It counts as a turn: whoever has not heard of it does not take it back."""
        self.proof, self.proved = FEDERATED, proved
        if assurance >= self.assurance(now):
            self.raised, self.raised_until = assurance, until
        self.turn += 1

    def assurance(self, now: float) -> int:
        """What a step-up brought, while it lasts; 0 where there is none."""
        return self.raised if self.raised and now < self.raised_until else 0

    def heard_of(self, kept: Session) -> Session:
        """This one, as a store may keep it over `kept`: a lock that it has not heard of, or an equal one, holds, and so do a
        later proof and an end; hosts that were entered are known, and when it was last seen does not go back."""
        lock = kept.turn > self.turn or (kept.turn == self.turn and kept.locked is not None and self.locked is None)
        later = {name: getattr(kept, name) for name in _LOCK if lock}
        if kept.turn == self.turn and kept.proved > self.proved:  # a PIN asked for in an open session is no turn
            later |= {"proof": kept.proof, "proved": kept.proved}
        later |= {name: getattr(kept, name) for name in ("ended", "end_reason") if kept.ended is not None}
        hosts = (*kept.hosts, *(host for host in self.hosts if host not in kept.hosts))
        return replace(self, **later, hosts=hosts, last_seen=max(self.last_seen, kept.last_seen))


_LOCK = ("locked", "lock_reason", "turn", "proof", "proved", "desk", "left", "follows", "raised", "raised_until")


class SessionStore(Protocol):
    """Where sessions and their cookies' hashes are kept. A cookie belongs to one host."""

    async def put_session(self, session: Session) -> None: ...

    async def session(self, session_id: str) -> Session | None: ...

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        """`until`: when the cookie is worth nothing any more. Lapsed ones of the same session and host go with it."""
        ...

    async def of_shift(self, shift_id: str) -> list[Session]: ...

    async def touch(self, seen: list[Session]) -> None:
        """Write when these were last seen, and nothing else."""
        ...

    async def forget_tokens(self, session_id: str) -> None:
        """Every cookie of this session is worth nothing from here on."""
        ...

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        """A cookie at this host in place of those before; those at other hosts are worth nothing from now on, and are known."""
        ...
