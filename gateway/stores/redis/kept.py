"""What every part of the Redis store stands on: the server, plans, and what is sealed for its own key."""

from __future__ import annotations

import json
import zlib
from typing import Any

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError

from .connection import Server
from .plan import Plans
from .scripts import LISTED, READ, at

DAY = 86400.0  # seconds that what has ended is told apart from what nobody knows


class Kept:
    """Whoever opens the store gives all of these."""

    _server: Server
    _plans: Plans
    _seal: Seal

    async def _value(self, key: str) -> str | None:
        (found,) = await self._server.run(READ, [key])
        return str(found) if found is not None else None

    async def _listed(self, listed: str, kind: str) -> dict[str, str]:
        """What a list names, each with its value; `kind` is theirs."""
        found = await self._server.run(LISTED, [listed], [at(kind, "")])
        return dict(zip(found[::2], found[1::2], strict=True))

    def _sealed_fields(self, fields: dict[str, Any], kind: str, hashed: str) -> str:
        """Smaller by half: it is memory that they are kept in."""
        return self._sealed(zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 6), kind, hashed)

    def _opened_fields(self, sealed: str, kind: str, hashed: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(zlib.decompress(self._opened(sealed, kind, hashed)))
        return found

    def _sealed(self, plain: bytes, kind: str, hashed: str) -> str:
        return self._seal.seal(plain, purpose=f"{kind}:{hashed}")

    def _opened(self, sealed: str, kind: str, hashed: str) -> bytes:
        """Raises StoreUnavailable, also for another key's value."""
        try:
            return self._seal.unseal(sealed, purpose=f"{kind}:{hashed}")
        except SealError:
            raise StoreUnavailable("Redis holds what `keys.seal` does not open: was the key replaced?") from None
