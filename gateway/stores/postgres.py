"""The store that several machines share: PostgreSQL, by a few threads with a connection each.

Whoever asks is told within about a second, whatever became of the server. What a transaction has certainly not done is tried once more:
a server that was started again is noticed by nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Float, cast, extract, func
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError
from sso.session import Session
from sso.shift import Shift

from ..store_places import DatabasePlace
from . import at_once, changes
from .base import Heard, key_hash
from .circuit import Circuit
from .connections import allow, engine_of, what_was_said, within
from .migrating import migrate, usable
from .own_time import own_time
from .sql import SqlStore

T = TypeVar("T")

_DEADLINE = 0.8  # seconds for one answer: with all who wait for it told at once, a second for each of them
_PATIENCE = 60.0  # seconds for a chore
_STARTING = 5.0  # seconds to look what is there, also where the first of two servers does not answer
_THREADS = 6
_TOGETHER = 0.5  # seconds that the first connection waits for the last
_FULL = "53100"
_AGAIN = ("40001", "40P01", "25006")  # the server undid it: for another's sake, or because it is no primary any more


class PostgresStore(SqlStore):
    shared = True

    def __init__(
        self,
        place: DatabasePlace,
        password: str,
        seal: Seal,
        *,
        tells: bool = True,
        alarm: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """`tells`: whether others are to hear of changes here. `alarm` hears `session-store`, `failing` or `ok`, from any thread.

        A server that is away is waited for; one that refuses us, or holds what a later release has made, is StoreUnavailable.
        """
        self._seal = seal
        self._tells = tells
        self._origin = secrets.token_hex(8)
        self._name = str(place)
        self._engine = engine_of(place, password, lasts=_DEADLINE, most=_THREADS + 1)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="store")
        self._circuit = Circuit(self._probe, lambda failing: alarm("session-store", "failing" if failing else "ok"))
        self._begin()

    def _begin(self) -> None:
        try:
            self._prepare()
        except OperationalError as error:
            said = what_was_said(error)
            if _refused(said):
                self._engine.dispose()
                raise StoreUnavailable(f"the database {self._name} refuses us: {said}") from None
            self._circuit.trip()
        except (SQLAlchemyError, StoreUnavailable) as error:
            self._engine.dispose()
            why = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            raise StoreUnavailable(f"the database {self._name} cannot be used: {why}") from None

    async def begin(self) -> None:
        """Make every connection: in a rush, whoever comes first would wait for all of them."""
        together = threading.Barrier(_THREADS)

        def first(c: Connection) -> None:
            changes.heard(c, self._origin, None)
            with contextlib.suppress(threading.BrokenBarrierError):  # one that is away is waited for
                together.wait(_TOGETHER)

        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(*(self._ask(first) for _ in range(_THREADS)))

    def _prepare(self) -> None:
        with within(_STARTING), self._engine.connect() as c:
            found = usable(c)
            if found.revision != found.latest and not found.later:
                with within(_PATIENCE):
                    migrate(c, found.latest)

    def _probe(self) -> None:
        self._prepare()  # it may have been put back from a copy
        with within(_DEADLINE), self._reading.connect() as c:
            changes.heard(c, self._origin, None)

    async def close(self) -> None:
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._circuit.close()
        self._threads.shutdown()
        self._engine.dispose()

    async def _do(self, work: Callable[[Connection], T]) -> T:
        return await self._in_time(lambda: self._written(work, _DEADLINE), _DEADLINE)

    async def _ask(self, work: Callable[[Connection], T]) -> T:
        return await self._in_time(lambda: self._read(work), _DEADLINE)

    async def _chore(self, work: Callable[[Connection], T]) -> T:
        return await self._in_time(lambda: self._written(work, _PATIENCE), _PATIENCE)

    async def _in_time(self, attempt: Callable[[], T], lasts: float) -> T:
        if self._circuit.open:
            why = self._circuit.why or "does not answer: it is asked again every second"
            raise StoreUnavailable(f"the database {self._name} {why}")
        begun = inf

        def begin() -> T:
            nonlocal begun
            begun = time.monotonic()
            return self._heeded(attempt)

        try:
            running = self._threads.submit(begin)
        except RuntimeError:  # closed, and somebody asks who was let in a moment before
            raise StoreUnavailable(f"the database {self._name} is not asked any more: this gateway ends") from None
        try:
            async with own_time(lasts + 0.1):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            if time.monotonic() - begun >= lasts:  # else it waited for a thread, which says nothing of the server
                self._circuit.failed()
            raise StoreUnavailable("the store did not answer in time") from None

    def _heeded(self, attempt: Callable[[], T]) -> T:
        """In a thread; whoever asked may have gone meanwhile."""
        try:
            done = attempt()
        except (OperationalError, InterfaceError, NoConnection) as error:
            if _state(error) == _FULL:  # it answers, and what it holds can be read
                raise StoreUnavailable("the database has no room left on its disk") from None
            self._circuit.failed()
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except SealError:
            raise StoreUnavailable("the store holds what `keys.seal` does not open: was the key replaced?") from None
        self._circuit.answered()
        return done

    def _read(self, work: Callable[[Connection], T]) -> T:
        """Each statement by itself: no words before and after it. It may be run again."""

        def once() -> T:
            with self._reading.connect() as c:
                return work(c)

        with within(_DEADLINE):
            try:
                return once()
            except DBAPIError as error:
                if not self._undone(error):
                    raise
                return once()

    def _written(self, work: Callable[[Connection], T], lasts: float) -> T:
        """Once more where it certainly came to nothing: it was undone, or the connection broke before it was to be kept."""
        worked = False

        def once() -> T:
            nonlocal worked
            with self._engine.connect() as c:
                with c.begin():
                    if lasts > _DEADLINE:
                        allow(c, lasts)
                    done = work(c)
                    worked = True
                return done

        with within(lasts):
            try:
                return once()
            except DBAPIError as error:
                if not self._undone(error) or (worked and error.connection_invalidated):
                    raise
                worked = False
                return once()

    def _undone(self, error: DBAPIError) -> bool:
        state = _state(error)
        if state == "25006":
            self._engine.dispose()
        return error.connection_invalidated or state in _AGAIN

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """As SqlStore's; by one statement where the shift is a new one. Asked again, that finds its shift there and does nothing."""
        if (
            self._tells
            and not shift.renewed
            and await self._ask(lambda c: self._seat_new(c, shift, session, host, hashed))
        ):
            return
        await super().seat(shift, session, host, hashed)

    def _seat_new(self, c: Connection, shift: Shift, session: Session, host: str, hashed: str) -> bool:
        token = self._token_row(session.id, host, hashed)
        rows = {"shift": self._shift_row(shift), "session": self._session_row(session), "token": token}
        last = at_once.seat(c, rows, key_hash(session.device.id) if session.device.id else "", self._origin)
        changes.trim(c, last)
        return bool(last)

    async def _remember(self, row: dict[str, Any], names: list[str]) -> None:
        await self._ask(lambda c: at_once.remember(c, row, names))

    def _tell(self, c: Connection, *keys: str) -> None:
        if self._tells and keys:
            changes.trim(c, at_once.tell(c, self._origin, keys))

    def _clock(self) -> ColumnElement[float]:
        return cast(extract("epoch", func.clock_timestamp()), Float)

    async def heard(self, since: str | None) -> Heard:
        return await self._ask(lambda c: changes.heard(c, self._origin, since))


def _state(error: SQLAlchemyError) -> str | None:
    """The code by which the server says what is wrong; None where it did not say."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _refused(said: str) -> bool:
    """By a server that is there, and for good: a wrong password, no such database."""
    waits = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots", "crash")
    return "FATAL" in said and not any(word in said for word in waits)
