"""Codes that are good once, and counts of tries, in Redis."""

from __future__ import annotations

from .kept import Kept, named
from .plan import Plan
from .scripts import DROP, FIRST_TIME, TAKE, TAKE_BACK, TALLY, at

CODE, TALLIED = "code", "tally"
_LATER = 300.0  # seconds that they are kept beyond their time: clocks differ
# What is kept for whoever has no session yet: refused where the memory is used up.
_BEGINNING = frozenset({"pending", "handoff", "badge"})


class CodeKeys(Kept):
    """A CodeStore, and the counts of a FactorStore."""

    async def put_code(self, kind: str, code: str, value: bytes, expires: float) -> None:
        name, plan = named(kind, code), Plan()
        sealed = self._sealed(f"{expires!r} ".encode() + value, CODE, name)
        plan.put(at(CODE, name), sealed, expires + _LATER)
        await self._plans.apply([plan], if_room=kind in _BEGINNING)

    async def take_code(self, kind: str, code: str, now: float) -> bytes | None:
        name = named(kind, code)
        return self._code(name, await self._server.run(TAKE, [at(CODE, name)]), now)

    async def read_code(self, kind: str, code: str, now: float) -> bytes | None:
        name = named(kind, code)
        return self._code(name, await self._value(at(CODE, name)), now)

    def _code(self, name: str, sealed: str | None, now: float) -> bytes | None:
        if not sealed:
            return None
        expires, _, value = self._opened(sealed, CODE, name).partition(b" ")
        return value if float(expires) > now else None

    async def first_time(self, kind: str, code: str, expires: float, now: float) -> bool:
        forget = str(int((expires + _LATER) * 1000))
        key = at(CODE, named(kind, code))
        return bool(await self._server.run(FIRST_TIME, [key], [repr(now), repr(expires), forget]))

    async def tally(self, kind: str, key: str, now: float, expires: float) -> int:
        forget = str(int((expires + _LATER) * 1000))
        listed = at(TALLIED, named(kind, key))
        return int(await self._server.run(TALLY, [listed], [repr(now), repr(expires), forget]))

    async def take_back(self, kind: str, key: str) -> None:
        await self._server.run(TAKE_BACK, [at(TALLIED, named(kind, key))])

    async def clear_tally(self, kind: str, key: str) -> None:
        await self._server.run(DROP, [at(TALLIED, named(kind, key))])
