"""Values that are good once, in SQL: whoever takes one deletes it."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from .base import key_hash
from .rows import Rows, put_row
from .schema import codes


class CodeRows(Rows):
    """The part of SqlStore that is a CodeStore."""

    async def put_code(self, kind: str, code: str, value: bytes, expires: float) -> None:
        hashed = key_hash(kind, code)
        row = {"hash": hashed, "expires": expires, "value": self._seal.seal(value, purpose=f"code:{hashed}")}
        await self._do(lambda c: put_row(c, codes, row, "hash") and None)

    async def take_code(self, kind: str, code: str, now: float) -> bytes | None:
        hashed = key_hash(kind, code)
        gone = delete(codes).where(codes.c.hash == hashed).returning(codes.c.value, codes.c.expires)

        def work(c: Connection) -> bytes | None:
            row = c.execute(gone).first()
            return self._code(hashed, row.value) if row and row.expires > now else None

        return await self._do(work)

    async def read_code(self, kind: str, code: str, now: float) -> bytes | None:
        hashed = key_hash(kind, code)
        found = select(codes.c.value).where(codes.c.hash == hashed, codes.c.expires > now)
        return await self._ask(lambda c: self._code(hashed, c.execute(found).scalar()))

    def _code(self, hashed: str, value: str | None) -> bytes | None:
        return self._seal.unseal(value, purpose=f"code:{hashed}") if value else None

    async def first_time(self, kind: str, code: str, expires: float, now: float) -> bool:
        row = {"hash": key_hash(kind, code), "expires": expires, "value": ""}
        return await self._do(lambda c: put_row(c, codes, row, "hash", codes.c.expires <= now))
