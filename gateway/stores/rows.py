"""What every part of the SQL store stands on: a transaction or a look, what is sealed, and telling others what was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from sso.seal import Seal

T = TypeVar("T")


class Rows:
    """Whoever keeps the connections gives `_do`, `_ask`, `_tell` and `_clock`."""

    _seal: Seal

    async def _do(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction of its own. It may be run again where it certainly came to nothing. Raises StoreUnavailable."""
        raise NotImplementedError

    async def _ask(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only reads. Raises StoreUnavailable."""
        raise NotImplementedError

    async def _chore(self, work: Callable[[Connection], T]) -> T:
        """As `_do`, for what may take its time."""
        return await self._do(work)

    def _tell(self, c: Connection, *keys: str) -> None:
        """Others are to hear of these; the last statement of its transaction."""
        raise NotImplementedError

    def _clock(self) -> ColumnElement[float]:
        """What time it is, for whoever uses the same store."""
        raise NotImplementedError


def upsert(c: Connection, table: Table) -> Any:
    """An insert with `on_conflict_do_update` and `on_conflict_do_nothing`, which both databases have and spell alike."""
    return postgresql.insert(table) if c.dialect.name == "postgresql" else sqlite.insert(table)


def put_row(c: Connection, table: Table, row: dict[str, Any], key: str, where: Any = None) -> bool:
    """A new row, or the old one's values replaced; False, and it is left alone, where `where` does not hold for the old one."""
    changes = {k: v for k, v in row.items() if k != key}
    put = upsert(c, table).values(row).on_conflict_do_update(index_elements=[key], set_=changes, where=where)
    return bool(c.execute(put, execution_options=_COUNTED).rowcount == 1)


def put_new(c: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Whether there was none."""
    put = upsert(c, table).values(row).on_conflict_do_nothing()
    return bool(c.execute(put, execution_options=_COUNTED).rowcount == 1)


_COUNTED = {"preserve_rowcount": True}
