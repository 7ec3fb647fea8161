"""Log-ons at systems in SQL, sealed and in versions: one that was deleted leaves its version behind, until its session is forgotten."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from .base import key_hash
from .rows import Rows, upsert
from .schema import upstreams

_GONE = ""  # in place of the value of one that was deleted


class UpstreamRows(Rows):
    """The part of SqlStore that is an UpstreamStore."""

    async def put_upstream(
        self, key: tuple[str, ...], value: bytes, owner_session: str, *, after: int | None = None
    ) -> int | None:
        hashed = key_hash(*key)
        sealed = self._seal.seal(value, purpose=f"upstream:{hashed}")
        row = {"hash": hashed, "session": key_hash(owner_session), "version": 1, "value": sealed}
        changes = {**row, "version": upstreams.c.version + 1}
        free = None if after is None else upstreams.c.value == _GONE

        def work(c: Connection) -> int | None:
            put: Any = upsert(c, upstreams).values(row)
            put = put.on_conflict_do_update(index_elements=["hash"], set_=changes, where=free)
            if after:
                put = update(upstreams).where(*_stands(hashed), upstreams.c.version == after).values(changes)
            return c.execute(put.returning(upstreams.c.version)).scalar()

        return await self._do(work)

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None:
        hashed = key_hash(*key)
        asked = select(upstreams.c.version, upstreams.c.value).where(*_stands(hashed))

        def ask(c: Connection) -> tuple[int, bytes] | None:
            row = c.execute(asked).first()
            return (row.version, self._seal.unseal(row.value, purpose=f"upstream:{hashed}")) if row else None

        return await self._ask(ask)

    async def upstream_version(self, key: tuple[str, ...]) -> int:
        asked = select(upstreams.c.version).where(*_stands(key_hash(*key)))
        return await self._ask(lambda c: c.execute(asked).scalar() or 0)

    async def delete_upstream(self, key: tuple[str, ...]) -> None:
        gone = update(upstreams).where(*_stands(key_hash(*key)))
        gone = gone.values(value=_GONE, version=upstreams.c.version + 1)
        await self._do(lambda c: c.execute(gone) and None)


def _stands(hashed: str) -> tuple[Any, Any]:
    return upstreams.c.hash == hashed, upstreams.c.value != _GONE
