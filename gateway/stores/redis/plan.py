"""Writes that belong together, and what must stand there for them: one script does all of it, or tells what stands there instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sso.errors import StoreUnavailable

from .connection import Server
from .owned import APPLY, APPLY_IF_ROOM
from .scripts import ERA, STREAM, TURN, Script

_TRIES = 25
_ENOUGH = 16  # bytes that no other sealed value begins with: a key's name and a nonce


class Plan:
    """Made anew for each try, of what stands there by then."""

    def __init__(self) -> None:
        self.guards: list[list[Any]] = []
        self._writes: list[list[Any]] = []
        self._keys: set[str] = set()
        self._said: set[bytes] = set()

    def mind(self, key: str, kept: str | None) -> None:
        """Nothing is done where something else than `kept` stands there by now; what belongs to it is another matter."""
        self._guard("sealed", key, sealed_of(kept)[:_ENOUGH] if kept else "")

    def mind_version(self, key: str, version: int) -> None:
        """Nothing is done where another version stands there by now; 0: any."""
        self._guard("begins", key, f"{version} " if version else "")

    def mind_belonging(self, owner: str, kind: str, names: list[str]) -> None:
        """Nothing is done where anything of that kind was added to it or taken away."""
        self._guard("owns", owner, [f"{kind}:{name}" for name in names], f"{kind}:")

    def put(self, key: str, value: str, until: float) -> None:
        self._write("put", key, value, _ms(until))

    def keep(self, key: str, sealed: str, until: float, *, owner: str = "-", limit: str = "") -> None:
        """What belongs to it goes on to. `owner`: as `kind:name`; `limit`: a key that it does not outlive."""
        self._write("keep", key, owner, sealed, _ms(until), limit)

    def put_beside(self, key: str, value: str, owner: str) -> None:
        """It belongs to that key, and lasts as long (a day, where that is not known)."""
        self._write("put_beside", key, value, owner)

    def add(self, owner: str, name: str) -> None:
        """`name`, as `kind:name`, belongs to it."""
        self._write("add", owner, name)

    def take_out(self, owner: str, name: str) -> None:
        self._write("take_out", owner, name)

    def bury_belonging(self, owner: str, kind: str) -> None:
        self._write("bury_belonging", owner, f"{kind}:")

    def last_as_long(self, owner: str) -> None:
        """Whatever belongs to it."""
        self._write("last_as_long", owner)

    def list(self, key: str, name: str, until: float) -> None:
        self._write("list", key, name, _ms(until))

    def unlist(self, key: str, name: str) -> None:
        self._write("unlist", key, name)

    def drop(self, key: str) -> None:
        self._write("drop", key)

    def bury(self, key: str) -> None:
        """It is nothing from now on, and is known to be."""
        self._write("bury", key)

    def say(self, hashed: str) -> None:
        """Whoever has read this, by the hash that all call it by, is to read it again."""
        self._said.add(bytes.fromhex(hashed))

    def _guard(self, what: str, key: str, *rest: Any) -> None:
        self.guards.append([what, key, *rest])
        self._keys.add(key)

    def _write(self, what: str, key: str, *rest: Any) -> None:
        self._writes.append([what, key, *rest])
        self._keys.add(key)

    @property
    def keys(self) -> set[str]:
        return self._keys

    def text(self, by: str, era: str) -> str:
        said = b"".join(sorted(self._said)).decode("latin-1")
        plan = {"guards": self.guards, "writes": self._writes, "say": said, "by": by, "era": era}
        # An empty list becomes an object in Lua, which is empty all the same; a character that is not escaped is a byte there.
        return json.dumps(plan, ensure_ascii=False)


class Plans:
    """Applies them for one store object, whose name stands in what it says."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name

    async def settle(self, make: Callable[[Mapping[str, str]], Plan], *, if_room: bool = False) -> Mapping[str, str]:
        """Apply what `make` makes of that which stands under the keys that it minds; again where somebody else was faster.
        What it was made of. Raises StoreUnavailable; with `if_room`, StoreFull where the memory is used up."""
        known: Mapping[str, str] = {}
        for _ in range(_TRIES):
            plan = make(known)
            (found,) = await self.apply([plan], if_room=if_room)
            if found is None:
                return known
            known = found
        raise StoreUnavailable("too many wrote the same at once")

    async def apply(self, plans: list[Plan], *, if_room: bool = False) -> list[dict[str, str] | None]:
        """Of each plan None where it was applied, else what stands under the keys that it minds."""
        keys = [STREAM, TURN, ERA, *sorted(set().union(*(plan.keys for plan in plans)))]
        script: Script = APPLY_IF_ROOM if if_room else APPLY
        texts = [plan.text(self._name, self._name) for plan in plans]
        done = await self._server.run(script, keys, texts)
        return [_found(plan, found) for plan, found in zip(plans, done, strict=True)]


def _found(plan: Plan, found: list[str | None]) -> dict[str, str] | None:
    if not found:
        return None
    return {guard[1]: value for guard, value in zip(plan.guards, found, strict=True) if value}


def sealed_of(value: str) -> str:
    """What stands after the line of who belongs to whom."""
    return value.partition("\n")[2]


def _ms(at: float) -> int:
    return int(at * 1000)
