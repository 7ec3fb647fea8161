"""Leases and log-ons at systems in Redis: who alone may do something, and which of two versions is the later one."""

from __future__ import annotations

import secrets

from ..base import key_hash
from .kept import Kept
from .plan import Plan
from .scripts import DROP, DROP_LEASE, RENEW_LEASE, TAKE_LEASE, VERSION, at
from .sessions import JAR, JARS, SESSION

LEASE, FENCE = "lease", "fence"


class LeaseKeys(Kept):
    """A LeaseStore and an UpstreamStore."""

    async def take_lease(self, name: str, holder: str, lasts: float) -> int | None:
        hashed = key_hash(name)
        fence = await self._server.run(TAKE_LEASE, [at(LEASE, hashed), at(FENCE, hashed)], [holder, _ms(lasts)])
        return int(fence) if fence else None

    async def renew_lease(self, name: str, holder: str, lasts: float) -> bool:
        return bool(await self._server.run(RENEW_LEASE, [at(LEASE, key_hash(name))], [holder, _ms(lasts)]))

    async def drop_lease(self, name: str, holder: str) -> None:
        await self._server.run(DROP_LEASE, [at(LEASE, key_hash(name))], [holder])

    async def put_upstream(
        self, key: tuple[str, ...], value: bytes, owner_session: str, *, after: int | None = None
    ) -> int | None:
        hashed, owner, plan = key_hash(*key), key_hash(owner_session), Plan()
        # Drawn, not counted: a server that lost its last second would count the same again.
        version = secrets.randbits(62) + 1
        if after is not None:
            plan.mind(at(JAR, hashed), f"{after} " if after else None)
        text = f"{version} {self._sealed(value, 'upstream', hashed)}"
        plan.put_beside(at(JAR, hashed), text, at(SESSION, owner), at(JARS, owner), hashed)
        return version if await self._plans.apply([plan]) == [None] else None

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None:
        hashed = key_hash(*key)
        value = await self._value(at(JAR, hashed))
        if not value:
            return None
        version, _, sealed = value.partition(" ")
        return int(version), self._opened(sealed, "upstream", hashed)

    async def upstream_version(self, key: tuple[str, ...]) -> int:
        found = str(await self._server.run(VERSION, [at(JAR, key_hash(*key))]))
        return int(found.partition(" ")[0] or 0)

    async def delete_upstream(self, key: tuple[str, ...]) -> None:
        await self._server.run(DROP, [at(JAR, key_hash(*key))])


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
