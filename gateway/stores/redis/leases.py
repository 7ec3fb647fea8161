"""Leases and log-ons at systems in Redis: who alone may do something, and which of two versions is the later one."""

from __future__ import annotations

import secrets

from .kept import Kept, named
from .plan import Plan
from .scripts import DROP, DROP_LEASE, RENEW_LEASE, TAKE_LEASE, VERSION, at
from .sessions import JAR, SESSION

LEASE, FENCE = "lease", "fence"


class LeaseKeys(Kept):
    """A LeaseStore and an UpstreamStore."""

    async def take_lease(self, name: str, holder: str, lasts: float) -> int | None:
        called = named(name)
        fence = await self._server.run(TAKE_LEASE, [at(LEASE, called), at(FENCE, called)], [holder, _ms(lasts)])
        return int(fence) if fence else None

    async def renew_lease(self, name: str, holder: str, lasts: float) -> bool:
        return bool(await self._server.run(RENEW_LEASE, [at(LEASE, named(name))], [holder, _ms(lasts)]))

    async def drop_lease(self, name: str, holder: str) -> None:
        await self._server.run(DROP_LEASE, [at(LEASE, named(name))], [holder])

    async def put_upstream(
        self, key: tuple[str, ...], value: bytes, owner_session: str, *, after: int | None = None
    ) -> int | None:
        name, owner, plan = named(*key), named(owner_session), Plan()
        # Drawn, not counted: a server that lost its last second would count the same again.
        version = secrets.randbits(62) + 1
        if after is not None:
            plan.mind_version(at(JAR, name), after)
        plan.put_beside(at(JAR, name), f"{version} {self._sealed(value, 'upstream', name)}", at(SESSION, owner))
        return version if await self._plans.apply([plan]) == [None] else None

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None:
        name = named(*key)
        value = await self._value(at(JAR, name))
        if not value:
            return None
        version, _, sealed = value.partition(" ")
        return int(version), self._opened(sealed, "upstream", name)

    async def upstream_version(self, key: tuple[str, ...]) -> int:
        found = str(await self._server.run(VERSION, [at(JAR, named(*key))]))
        return int(found.partition(" ")[0] or 0)

    async def delete_upstream(self, key: tuple[str, ...]) -> None:
        await self._server.run(DROP, [at(JAR, named(*key))])


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
