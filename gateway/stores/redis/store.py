"""Shifts, sessions, cookies, codes, counts, leases and log-ons in Redis: whatever may be lost with a server, and nothing else."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sso.seal import Seal
from sso.session import Session

from ..base import Heard
from .codes import CodeKeys
from .connection import Server
from .cookies import REVOKED, CookieKeys
from .kept import DAY, named
from .leases import LeaseKeys
from .plan import Plan, Plans
from .scripts import COPIED, DOUBTED, ERA, HEARD, NOTE_COPIED, READ_COPIED, STREAM, TURN, at

_HASH = 64  # hexadecimal digits
_DOUBTED_FOR = 2 * DAY  # longer than any shift, and the day after it


@dataclass(frozen=True, slots=True)
class Copied:
    """How far the lasting copy had come when this server last heard of it."""

    history: str  # whose this was
    place: str  # in what the copy says of its changes
    doubt: str  # "": nothing was ever lost; LOST or OLD


LOST, OLD = "lost", "old"  # something may be missing; what is here may be long out of date


class RedisStore(CodeKeys, CookieKeys, LeaseKeys):
    """Everything is sealed for its own key, found by a hash, and gone a day after its shift at the latest.

    Instants at which keys are forgotten are the gateway's: its clock and the server's are to agree to the minute.
    """

    def __init__(self, server: Server, seal: Seal) -> None:
        self._server = server
        self._seal = seal
        self._name = secrets.token_hex(8)
        self._plans = Plans(server, self._name)

    async def begin(self) -> None:
        """Whoever comes first waits for no connection. Raises StoreUnavailable."""
        await self._server.begin()

    async def close(self) -> None:
        await self._server.close()

    async def heard(self, since: str | None) -> Heard:
        """`keys` is None also where the server is another one by now, or has forgotten what it knew."""
        history, _, turn = (since or "").partition(".")
        found = await self._server.run(HEARD, [STREAM, TURN, ERA], [history, turn or "0", self._name])
        place = f"{found[0]}.{found[1]}"
        if since is None or len(found) < 3:
            return Heard(place, None)
        said = zip(found[2][::2], found[2][1::2], strict=True)
        return Heard(place, frozenset(key for by, keys in said if by != self._name for key in _hashes(keys)))

    async def note_revoked(self, device_id: str, until: float) -> list[Session]:
        """Nobody is seated on this device any more; who still is."""
        plan = Plan()
        plan.put(at(REVOKED, named(device_id)), "revoked", until + DAY)
        await self._plans.apply([plan])
        return await self.sessions_on(device_id)

    # What a lasting copy needs to know of this server

    @property
    def history(self) -> str:
        """Changes when another server has taken this one's place, or it has begun anew: it may not know the latest."""
        return self._server.history

    async def info(self) -> dict[str, Any]:
        """What the server says of itself. Raises StoreUnavailable."""
        return await self._server.info()

    @property
    def away(self) -> bool:
        return self._server.away

    async def copied(self) -> Copied:
        """Raises StoreUnavailable."""
        return Copied(*(value or "" for value in await self._server.run(READ_COPIED, [COPIED, DOUBTED])))

    async def note_copied(self, history: str, place: str = "", doubt: str = "") -> None:
        """Nothing of it where a server with another history is there by now. What is empty stays as it is."""
        until = str(int((time.time() + _DOUBTED_FOR) * 1000))
        await self._server.run(NOTE_COPIED, [COPIED, DOUBTED], [history, place, doubt, until])


def _hashes(said: str) -> list[str]:
    """As everybody calls them: they are kept as the bytes that they are."""
    data = said.encode("latin-1").hex()
    return [data[at : at + _HASH] for at in range(0, len(data), _HASH)]
