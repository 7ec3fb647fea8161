"""Shifts and sessions in Redis, and a copy where things last, so that a fail-over loses none and brings none back.

What ends, locks or begins is written to the copy first. A Redis server that was promoted, or began anew, may not know the last
second: whatever was copied since is written to it again before anything that it says is believed. From then on what it misses is looked
for in the copy. Where what it knows is so old that nobody can tell what has changed since, each of its answers is held against the copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import inf
from typing import Protocol, TypeVar

from sso.errors import DeviceRefused, StoreFull, StoreUnavailable
from sso.session import Session
from sso.shift import Shift

from .base import Cookie, Heard, Store
from .copied import Written
from .copies import Copies
from .lasting import PassedOn
from .redis.memory import Memory
from .redis.store import LOST, OLD, RedisStore

T = TypeVar("T")

_LATE = 5.0  # seconds that a write may come to Redis after its copy
_SEEN_EVERY = 900.0  # seconds between two copies of when a session was last seen
_MOST = 50_000  # shifts and sessions of which we know what was copied


class Lasting(Store, Protocol):
    """A store that tells what was written to it."""

    async def written_since(self, place: str) -> Written | None: ...


class ReplicatedStore(PassedOn):
    """`alarm` hears `redis`: `evicts`, `full`, `filling` or `ok`."""

    shared = True

    def __init__(
        self, fast: RedisStore, lasting: Lasting, *, alarm: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        super().__init__(fast, lasting)
        self._fast = fast
        self._lasting = lasting
        self._copies = Copies()
        self._memory = Memory(fast, alarm)
        self._known = ""  # the history of which we have made sure
        self._doubt = ""
        self._making_sure = asyncio.Lock()
        self._places: deque[tuple[float, str]] = deque()
        self._copied: OrderedDict[str, object] = OrderedDict()
        self._unheard: deque[Callable[[], Awaitable[None]]] = deque()

    @property
    def owed(self) -> int:
        """How many writes wait for the copy."""
        return self._copies.owed

    async def close(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._copies.catch_up()
        await self._fast.close()
        await self._lasting.close()

    # Making sure

    async def begin(self) -> None:
        """Raises ConfigError where Redis is there and may not be used as it is set."""
        await self._lasting.begin()
        with contextlib.suppress(StoreUnavailable):  # one that is away is waited for
            await self._memory.check()
            await self._fast.begin()
            await self._sure(self._fast.copied)

    async def watch(self) -> None:
        """Called every second: what Redis and the copy owe each other, and how full Redis is. Raises StoreUnavailable."""
        await self._sure(self._fast.copied)
        await self._memory.look()
        while self._unheard:
            await self._unheard[0]()
            self._unheard.popleft()
        await self._copies.catch_up()
        now, place = time.monotonic(), (await self._lasting.heard(None)).place
        self._places.append((now, place))
        while len(self._places) > 1 and now - self._places[1][0] >= _LATE:
            self._places.popleft()
        await self._fast.note_copied(self._known, self._places[0][1])

    async def _sure(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers, asked again where it turns out to be a server that may not know the latest."""
        while True:
            found = await ask()
            if self._fast.history == self._known:
                return found
            await self._make_sure()

    async def _make_sure(self) -> None:
        async with self._making_sure:
            history = self._fast.history
            if history == self._known:
                return
            known = await self._fast.copied()
            if known.history != history:
                doubt = await (self._write_again(known.place) if known.place else self._anything_lost())
                await self._fast.note_copied(history, doubt=OLD if known.doubt == OLD else doubt)
            self._doubt = (await self._fast.copied()).doubt
            self._known = history

    async def _anything_lost(self) -> str:
        """By a server that knows nothing of the copy: nothing, where the copy knows of nobody either. Else every sign-on asks both."""
        with contextlib.suppress(StoreUnavailable):
            written = await self._lasting.written_since("0")
            if written is not None and not written.shifts and not written.sessions:
                return ""
        return LOST

    async def _write_again(self, place: str) -> str:
        """What was copied since then. Whatever was ended, locked or forgotten in the time that Redis lost is so again."""
        await self._copies.catch_up()
        written = await self._lasting.written_since(place)
        if written is None:
            return OLD
        for shift in written.shifts:
            await self._fast.put_shift(shift)
        for session in written.sessions:
            await self._fast.put_session(session)
            await self._fast.keep_only(session.id, written.cookies[session.id])
        return LOST

    # Shifts

    async def put_shift(self, shift: Shift) -> None:
        p = shift.principal
        says = (shift.ends, shift.ended, shift.provider_session, p.assurance, p.role, p.roles)
        if self._is_news(shift.id, says):
            await self._copies.write(lambda: self._lasting.put_shift(replace(shift)))
        await self._heard_of(lambda: self._fast.put_shift(shift), over=shift.ended is not None)

    async def shift(self, shift_id: str) -> Shift | None:
        found = await self._sure(lambda: self._fast.shift(shift_id))
        if self._doubt and (found is None or self._doubt == OLD):
            return _later_shift(found, await self._lasting.shift(shift_id))
        return found

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None:
        found = [s for s in await self.by_subject(issuer, subject) if s.principal.role == role and not s.emergency]
        return max((s for s in found if s.live(now)), key=lambda shift: shift.ends, default=None)

    async def by_subject(self, issuer: str, subject: str) -> list[Shift]:
        return await self._shifts(lambda store: store.by_subject(issuer, subject))

    async def by_provider_session(self, issuer: str, sid: str) -> list[Shift]:
        """Those whose latest sign-on was by it, and those in which a session was seated by it, whether that goes on or not."""
        return await self._shifts(lambda store: store.by_provider_session(issuer, sid))

    async def _shifts(self, ask: Callable[[RedisStore | Lasting], Awaitable[list[Shift]]]) -> list[Shift]:
        found = {shift.id: shift for shift in await self._sure(lambda: ask(self._fast))}
        if self._doubt:
            for copy in await ask(self._lasting):
                found.setdefault(copy.id, copy)
        held = [await self.shift(one) for one in found] if self._doubt == OLD else found.values()
        return [shift for shift in held if shift is not None and shift.ended is None]

    # Sessions

    async def put_session(self, session: Session) -> None:
        await self._copies.write(lambda kept=replace(session): self._lasting.put_session(kept))  # type: ignore[misc]  # the default is the value of now
        await self._heard_of(lambda: self._fast.put_session(session), over=session.ended is not None)

    async def session(self, session_id: str) -> Session | None:
        found = await self._sure(lambda: self._fast.session(session_id))
        if self._doubt and (found is None or self._doubt == OLD):
            return _later_session(found, await self._lasting.session(session_id))
        return found

    async def of_shift(self, shift_id: str) -> list[Session]:
        return await self._sessions(lambda store: store.of_shift(shift_id))

    async def sessions_on(self, device_id: str) -> list[Session]:
        found = await self._sessions(lambda store: store.sessions_on(device_id))
        return sorted((one for one in found if one.ended is None), key=lambda session: -session.created)

    async def _sessions(self, ask: Callable[[RedisStore | Lasting], Awaitable[list[Session]]]) -> list[Session]:
        found = {session.id: session for session in await self._sure(lambda: ask(self._fast))}
        if self._doubt:
            for copy in await ask(self._lasting):
                found.setdefault(copy.id, copy)
        if self._doubt == OLD:
            return [one for name in found if (one := await self.session(name)) is not None]
        return list(found.values())

    async def touch(self, seen: list[Session]) -> None:
        """The copy hears of it now and then: whoever comes back from it has not been idle for longer than that."""
        await self._fast.touch(seen)
        late = [replace(one) for one in seen if self._is_late(one)]
        if late:
            await self._copies.write(lambda: self._lasting.touch(late))

    async def revoke_device(self, device_id: str, now: float) -> list[Session]:
        """In the copy first: from then on nobody is seated on it."""
        ended = {session.id: session for session in await self._lasting.revoke_device(device_id, now)}
        for session in await self._fast.note_revoked(device_id, now):
            ended.setdefault(session.id, replace(session, ended=now, end_reason="device-revoked"))
        for session in ended.values():
            await self.put_session(session)
        return list(ended.values())

    # Seats and cookies

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie. Raises DeviceRefused, and StoreFull where Redis has no room."""
        kept = replace(shift), replace(session)
        if session.device.id:  # that it was not revoked, only the database knows
            await self._copies.catch_up()
            await self._lasting.seat(*kept, host, hashed)
        else:
            await self._copies.write(lambda: self._lasting.seat(*kept, host, hashed))
        await self._fast.seat(shift, session, host, hashed)

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""
        found = await self._sure(lambda: self._fast.cookie(hashed))
        if isinstance(found, Cookie):
            return found if self._doubt != OLD else await self._held_against_copy(found, hashed)
        if found or not self._doubt:  # it was taken back, or nothing was ever lost
            return None
        copy = await self._lasting.by_token(hashed)
        return copy if copy is None or await self._put_back(copy, hashed) else None

    async def _held_against_copy(self, found: Cookie, hashed: str) -> Cookie | None:
        """Cookies for a few minutes are not in the copy; their sessions are."""
        if found.until == inf and await self._lasting.by_token(hashed) is None:
            return None
        session = await self._lasting.session(found.session.id)
        shift = await self._lasting.shift(found.shift.id)
        if session is None or shift is None:
            return None
        later = _later_session(found.session, session), _later_shift(found.shift, shift)
        return Cookie(later[0] or session, later[1] or shift, found.host, found.until)

    async def _put_back(self, cookie: Cookie, hashed: str) -> bool:
        try:
            await self._fast.put_back(cookie, hashed)
        except StoreFull:
            return True  # it goes on from the copy
        except DeviceRefused:
            return False
        return True

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        if until == inf:  # one for a few minutes is renewed by itself
            await self._copies.write(lambda: self._lasting.add_token(session_id, host, hashed))
        await self._fast.add_token(session_id, host, hashed, until)

    async def forget_tokens(self, session_id: str) -> None:
        await self._copies.write(lambda: self._lasting.forget_tokens(session_id))
        await self._heard_of(lambda: self._fast.forget_tokens(session_id), over=True)

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        await self._copies.write(lambda: self._lasting.renew_tokens(session_id, host, hashed, now))
        await self._fast.renew_tokens(session_id, host, hashed, now)

    # What others have written

    async def heard(self, since: str | None) -> Heard:
        """Redis alone says it: whoever writes, writes there."""
        return await self._sure(lambda: self._fast.heard(since))

    # What was copied

    async def _heard_of(self, write: Callable[[], Awaitable[None]], *, over: bool) -> None:
        """An end that the copy has and Redis did not take is written there as soon as it does."""
        try:
            await write()
        except StoreUnavailable:
            if over:
                self._unheard.append(write)
            raise

    def _is_news(self, key: str, says: object) -> bool:
        news = self._copied.get(key) != says
        self._copied[key] = says
        self._copied.move_to_end(key)
        if len(self._copied) > _MOST:
            self._copied.popitem(last=False)
        return news

    def _is_late(self, session: Session) -> bool:
        copied = self._copied.get(session.id, session.created)
        if isinstance(copied, float) and session.last_seen - copied < _SEEN_EVERY:
            return False
        return self._is_news(session.id, session.last_seen)


def _later_session(found: Session | None, copy: Session | None) -> Session | None:
    """What the copy says of ends and locks holds."""
    if found is None or copy is None:
        return copy
    return copy if copy.ended is not None and found.ended is None else found.heard_of(copy)


def _later_shift(found: Shift | None, copy: Shift | None) -> Shift | None:
    if found is None or copy is None:
        return copy
    return copy if copy.ended is not None and found.ended is None else found.heard_of(copy)
