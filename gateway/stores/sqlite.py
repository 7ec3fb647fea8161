"""The embedded store: one SQLite file, one thread, everything sealed.

A dedicated thread with a synchronous engine is faster than a pool of them, and SQLite has one writer anyway.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, create_engine, event, literal, text
from sqlalchemy.exc import SQLAlchemyError

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError

from . import changes
from .base import Heard
from .schema import bring_up_to_date
from .sql import SqlStore

T = TypeVar("T")

_DEADLINE = 5.0  # seconds for one answer; above what is waited for a locked file


class SqliteStore(SqlStore):
    def __init__(
        self,
        path: Path,
        seal: Seal,
        *,
        shared: bool = False,
        timeout: float = 2.0,
        alarm: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """`shared`: other processes write there as a matter of course, not now and then; all of them say so. `timeout`: seconds to
        wait for a locked file. `alarm` hears `session-store`, `failing` or `ok`, from the store's thread. Raises StoreUnavailable."""
        self.shared = shared
        self._origin = secrets.token_hex(8)
        self._path = path
        self._seal = seal
        self._alarm = alarm
        self._failing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": timeout, "check_same_thread": False})
        event.listen(self._engine, "connect", _pragmas)
        self._connection: Connection | None = None
        try:
            self._thread.submit(self._open, path).result()
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the store `{path}` cannot be opened: {type(error).__name__}") from None

    def _open(self, path: Path) -> None:
        self._connection = self._engine.connect()
        bring_up_to_date(self._connection)
        self._connection.commit()
        path.chmod(0o600)
        self._inode = path.stat().st_ino

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    async def _do(self, work: Callable[[Connection], T]) -> T:
        """Nobody else writes from before its first look on: what it changes is what it has seen."""

        def alone(c: Connection) -> T:
            c.exec_driver_sql("BEGIN IMMEDIATE")
            return work(c)

        return await self._ask(alone)

    async def _ask(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the store's thread, in a transaction of its own. Raises StoreUnavailable, also after a deadline:
        a disk that hangs keeps the thread, and nobody else."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DEADLINE):
                return await loop.run_in_executor(self._thread, self._in_transaction, work)
        except TimeoutError:
            self._say(failing=True)
            raise StoreUnavailable("the store did not answer in time") from None
        except RuntimeError:  # closed, and somebody asks who was let in a moment before
            raise StoreUnavailable("the store is not asked any more: this gateway ends") from None

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            assert self._connection is not None
            with self._connection.begin():
                done = work(self._connection)
        except SQLAlchemyError as error:
            self._say(failing=True)
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except StoreUnavailable:
            self._say(failing=True)
            raise
        except SealError:
            raise StoreUnavailable("the store holds what `keys.seal` does not open: was the key replaced?") from None
        self._say(failing=False)
        return done

    def _say(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            self._alarm("session-store", "failing" if failing else "ok")

    def _tell(self, c: Connection, *keys: str) -> None:
        if self.shared:
            changes.tell(c, self._origin, keys)

    def _clock(self) -> ColumnElement[float]:
        return literal(time.time())

    async def heard(self, since: str | None) -> Heard:
        """Where nobody else writes but a command now and then, SQLite's data_version tells it: then nothing is believed.

        A file that was taken away would go on without its name: nobody else's revocations would arrive in it.
        """

        def ask(c: Connection) -> Heard:
            if not self._still_there():
                raise StoreUnavailable(f"the store `{self._path}` was taken away: put it back, or start again")
            if self.shared:
                return changes.heard(c, self._origin, since)
            place = str(c.execute(text("PRAGMA data_version")).scalar_one())
            return Heard(place, frozenset() if place == since else None)

        return await self._ask(ask)

    def _still_there(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False


def _pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
