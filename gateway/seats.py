"""Who sits where, as far as one gateway knows: found by cookie, and dropped by the hash of a session's or a shift's id.

Many thousands may be known, and nothing that somebody else writes may cost a look at all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import TypeVar

from policies.model import Context, Principal
from sso.session import Session
from sso.shift import Shift

from .stores.base import key_hash

T = TypeVar("T")

_MOST = 250_000  # cookies
_ENOUGH = 16  # bytes of what others call a session or a shift
HOST_LIFE = 300.0  # seconds that a cookie at a system's host is good: so long is a copied one
_PROOF_FRESH = 300.0  # seconds: how long a proof counts as fresh (NHS API platform's own max_age)


@dataclass(frozen=True, slots=True)
class Seat:
    """A session in its shift, at one host."""

    session: Session
    shift: Shift
    host: str
    until: float = inf  # when its cookie at this host is worth nothing any more

    @property
    def proved(self) -> float:
        """When the clinician last proved themselves in this session."""
        return self.session.proved or self.shift.auth_time

    def proof_fresh(self, now: float) -> bool:
        return now - self.proved <= _PROOF_FRESH

    def principal(self, now: float) -> Principal:
        """Who asks, at the assurance that a step-up has brought this session, while that lasts."""
        known = self.shift.principal
        raised = self.session.assurance(now)
        return known if raised <= known.assurance else replace(known, assurance=raised)

    def context(self, now: float, *, keepable: frozenset[str] = frozenset(), freshly: bool = False) -> Context:
        """In what circumstances they ask. `freshly`: as if they had just proved who they are."""
        return Context(
            device=self.session.device,
            proof_method=self.session.proof,
            proof_fresh=freshly or self.proof_fresh(now),
            provider_away=self.shift.provider_away,
            offline=bool(self.shift.emergency),
            keepable=keepable,
        )


class KnownSeats:
    """`sessions` and `shifts` by their ids, one object each, which everybody here sees change; `seats` by cookies."""

    def __init__(self) -> None:
        self.seats: dict[bytes, Seat] = {}
        self.sessions: dict[str, Session] = {}
        self.shifts: dict[str, Shift] = {}
        # Most have one or two: tuples, since an empty set takes as much as ten.
        self._cookies: dict[str, tuple[bytes, ...]] = {}  # of a session
        self._sitting: dict[str, tuple[str, ...]] = {}  # the sessions of a shift
        self._ids: dict[bytes, str] = {}  # of sessions and shifts, by what others call them

    def shift(self, kept: Shift) -> Shift:
        """The one object for this shift: the one that was known, where it was."""
        return self.shifts.get(kept.id) or self.put_shift(kept)

    def put_shift(self, shift: Shift) -> Shift:
        """Without the ID token, which is asked for once, at its end (`Sessions.hint`), and is the most of it."""
        shift.id_token = ""
        self.shifts[shift.id] = shift
        self._ids[_key(shift.id)] = shift.id
        return shift

    def session(self, kept: Session) -> Session:
        """The one object for this session: the one that was known, where it was."""
        return self.sessions.get(kept.id) or self.put_session(kept)

    def put_session(self, session: Session) -> Session:
        self.sessions[session.id] = session
        sitting = self._sitting.get(session.shift_id, ())
        if session.id not in sitting:
            self._sitting[session.shift_id] = (*sitting, session.id)
        self._ids[_key(session.id)] = session.id
        return session

    def remember(self, cookie: bytes, seat: Seat) -> None:
        """The one that was remembered first falls out where there are too many."""
        self.seats[cookie] = seat
        cookies = self._cookies.get(seat.session.id, ())
        if cookie not in cookies:
            self._cookies[seat.session.id] = (*cookies, cookie)
        if len(self.seats) > _MOST:
            self._drop_cookie(next(iter(self.seats)))

    def at(self, session: Session) -> list[tuple[bytes, Seat]]:
        """Its cookies, and the seats that they are."""
        return [(cookie, self.seats[cookie]) for cookie in self._cookies.get(session.id, ())]

    def forget_cookies(self, session_id: str) -> None:
        for cookie in self._cookies.pop(session_id, ()):
            del self.seats[cookie]

    def forget_session(self, session_id: str) -> None:
        self.forget_cookies(session_id)
        session = self.sessions.pop(session_id, None)
        if session is None:
            return
        self._ids.pop(_key(session_id), None)
        _leave(self._sitting, session.shift_id, session_id)

    def forget_shift(self, shift_id: str) -> None:
        """And where anybody sits in it; their sessions stay known."""
        if self.shifts.pop(shift_id, None) is not None:
            self._ids.pop(_key(shift_id), None)
        for session_id in self._sitting.get(shift_id, ()):
            self.forget_cookies(session_id)

    def drop(self, keys: Iterable[str]) -> None:
        """What is called so by others, `key_hash` of its id, was changed by them."""
        for key in keys:
            known = self._ids.get(bytes.fromhex(key)[:_ENOUGH])
            if known in self.sessions:
                self.forget_session(known)
            elif known is not None:
                self.forget_shift(known)

    def clear(self) -> None:
        for known in (self.seats, self.sessions, self.shifts, self._cookies, self._sitting, self._ids):
            known.clear()

    def tidy(self, now: float) -> None:
        """Forget what is over."""
        for cookie, seat in list(self.seats.items()):
            if now >= seat.until + HOST_LIFE or not (seat.session.live(now) and seat.shift.live(now)):
                self._drop_cookie(cookie)
        for session_id in [key for key, session in self.sessions.items() if not session.live(now)]:
            self.forget_session(session_id)
        for shift_id in [key for key, shift in self.shifts.items() if not shift.live(now)]:
            self.forget_shift(shift_id)

    def _drop_cookie(self, cookie: bytes) -> None:
        _leave(self._cookies, self.seats.pop(cookie).session.id, cookie)


def _leave(of: dict[str, tuple[T, ...]], key: str, one: T) -> None:
    rest = tuple(each for each in of[key] if each != one)
    if rest:
        of[key] = rest
    else:
        del of[key]


def _key(known: str) -> bytes:
    return bytes.fromhex(key_hash(known))[:_ENOUGH]
