"""The store that several machines share: PostgreSQL, by a few threads with a connection each.

Whoever asks is told within about a second, whatever became of the server. What a transaction has certainly not done is tried once more:
a server that was started again is noticed by nobody.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Float, cast, extract, func
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError

from ..store_places import DatabasePlace
from . import changes
from .base import Heard
from .circuit import Circuit
from .connections import allow, engine_of, what_was_said, within
from .migrating import migrate, usable
from .sql import SqlStore

T = TypeVar("T")

_DEADLINE = 0.9  # seconds for one answer
_PATIENCE = 60.0  # seconds for a chore
_STARTING = 5.0  # seconds to look what is there, also where the first of two servers does not answer
_THREADS = 6
_TELLING = (0x6C616E79, 1)  # the lock under which changes are told, so that their order is that of the commits
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
        try:
            async with asyncio.timeout(lasts + 0.1):
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._heeded, attempt)
        except TimeoutError:
            self._circuit.failed()
            raise StoreUnavailable("the store did not answer in time") from None

    def _heeded(self, attempt: Callable[[], T]) -> T:
        """In a thread; whoever asked may have gone meanwhile."""
        try:
            done = attempt()
        except (OperationalError, InterfaceError, NoConnection) as error:
            self._circuit.failed()
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except SealError:
            raise StoreUnavailable("the store holds what `keys.seal` does not open: was the key replaced?") from None
        self._circuit.answered()
        return done

    def _read(self, work: Callable[[Connection], T]) -> T:
        """Each statement by itself: no words before and after it."""

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
        state = getattr(error.orig, "sqlstate", None)
        if state == "25006":
            self._engine.dispose()
        return error.connection_invalidated or state in _AGAIN

    def _tell(self, c: Connection, *keys: str) -> None:
        if self._tells and keys:
            c.execute(func.pg_advisory_xact_lock(*_TELLING).select())
            changes.tell(c, self._origin, keys)

    def _clock(self) -> ColumnElement[float]:
        return cast(extract("epoch", func.clock_timestamp()), Float)

    async def heard(self, since: str | None) -> Heard:
        return await self._ask(lambda c: changes.heard(c, self._origin, since))


def _refused(said: str) -> bool:
    """By a server that is there, and for good: a wrong password, no such database."""
    waits = ("starting up", "shutting down", "recovery", "too many", "remaining connection slots", "crash")
    return "FATAL" in said and not any(word in said for word in waits)
