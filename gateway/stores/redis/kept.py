"""What every part of the Redis store stands on: the server, plans, and what is sealed for its own key."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError

from ..base import key_hash
from .connection import Server
from .owned import BELONGING
from .packing import packed, unpacked
from .plan import Plans
from .scripts import LISTED, READ, at

DAY = 86400.0  # seconds that what has ended is told apart from what nobody knows


def short(hashed: str) -> str:
    """What a thing is called here, by its hash: 128 bits of another one. Names are half of what an index takes."""
    return base64.urlsafe_b64encode(hashlib.sha256(hashed.encode()).digest()[:16]).rstrip(b"=").decode()


def named(*parts: str) -> str:
    """The name of what is found by these."""
    return short(key_hash(*parts))


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

    async def _belonging(self, owner: str, kind: str) -> dict[str, str]:
        """What of that kind belongs to it, by name, each with its value."""
        found = await self._server.run(BELONGING, [owner], [f"{kind}:"])
        return dict(zip(found[::2], found[1::2], strict=True))

    def _sealed_fields(self, fields: dict[str, Any], kind: str, name: str) -> str:
        return self._sealed(packed(fields), kind, name)

    def _opened_fields(self, sealed: str, kind: str, name: str) -> dict[str, Any]:
        try:
            return unpacked(self._opened(sealed, kind, name))
        except ValueError:
            raise StoreUnavailable("Redis holds what another release of the gateway has put there: empty it") from None

    def _sealed(self, plain: bytes, kind: str, name: str) -> str:
        """Each character is a byte: in base64 it would take a third more."""
        return self._seal.seal_bytes(plain, purpose=f"{kind}:{name}").decode("latin-1")

    def _opened(self, sealed: str, kind: str, name: str) -> bytes:
        """Raises StoreUnavailable, also for another key's value."""
        try:
            return self._seal.unseal_bytes(sealed.encode("latin-1"), purpose=f"{kind}:{name}")
        except SealError:
            raise StoreUnavailable("Redis holds what `keys.seal` does not open: was the key replaced?") from None
