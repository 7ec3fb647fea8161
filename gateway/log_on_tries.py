"""What came of log-ons that failed, for every gateway to know: nobody tries again what a system has refused, nor asks one that has
just not answered as often as there are clicks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from connectors import errors
from connectors.base import Credential
from connectors.errors import ConnectorError, CredentialRefused, SystemUnavailable
from sso.shift import Shift

from .log_on import Key
from .stores.base import CodeStore, key_hash

_REFUSED_LIFE = 24 * 3600.0  # seconds: longer than any shift
_QUIET = 5.0  # seconds in which a failure that is neither yes nor no is not tried again
_REFUSED, _FAILED, _TYPED = "log-on-refused", "log-on-failed", "log-on-typed"


@dataclass(frozen=True, slots=True)
class Refused:
    """How a system refused what was kept, in a shift, and which credential that was."""

    kind: type[CredentialRefused]
    fingerprint: str


class LogOnTries:
    """Every method raises StoreUnavailable."""

    def __init__(self, store: CodeStore, now: Callable[[], float], *, shared: Callable[[], bool]) -> None:
        """`shared`: whether there are other gateways, just now."""
        self._shared = shared
        self._store = store
        self._now = now

    async def refused(self, shift: Shift, system: str) -> Refused | None:
        kept = await self._store.read_code(_REFUSED, key_hash(shift.id, system), self._now())
        if kept is None:
            return None
        kind, fingerprint = json.loads(kept)
        return Refused(_REFUSALS.get(kind, CredentialRefused), fingerprint)

    async def was_refused(self, shift: Shift, system: str, credential: Credential, how: CredentialRefused) -> None:
        """For the whole shift, unless it is replaced."""
        value = json.dumps([type(how).__name__, fingerprint(credential)]).encode()
        until = self._now() + _REFUSED_LIFE
        await self._store.put_code(_REFUSED, key_hash(shift.id, system), value, until)

    async def is_taken(self, shift: Shift, system: str) -> None:
        """The system took what was typed: what it refused before does not matter any more."""
        await self._store.take_code(_REFUSED, key_hash(shift.id, system), self._now())

    async def failed(self, key: Key, how: ConnectorError) -> None:
        """Neither yes nor no: whoever waited for it, or comes just after, is told the same."""
        await self._store.put_code(_FAILED, key_hash(*key), _said(how), self._now() + _QUIET)

    async def failure(self, key: Key) -> ConnectorError | None:
        kept = await self._store.read_code(_FAILED, key_hash(*key), self._now())
        return _error(kept) if kept else None

    async def was_typed(self, key: Key, credential: Credential, how: ConnectorError | None) -> None:
        """So that the second of two clicks that went to two gateways is no second try."""
        if not self._shared():
            return
        code = key_hash(*key, fingerprint(credential))
        await self._store.put_code(_TYPED, code, _said(how) if how is not None else b"", self._now() + _QUIET)

    async def just_typed(self, key: Key, credential: Credential) -> bool:
        """Whether it was, and is good. Raises as the system refused it."""
        if not self._shared():
            return False
        kept = await self._store.read_code(_TYPED, key_hash(*key, fingerprint(credential)), self._now())
        if kept:
            raise _error(kept)
        return kept is not None


def fingerprint(credential: Credential) -> str:
    """Tells a changed credential from the one that was refused, without keeping it."""
    parts = (credential.username.encode(), credential.secret.encode())
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).hexdigest()


_REFUSALS = {kind.__name__: kind for kind in (CredentialRefused, errors.PasswordChangeDue)}
_FAILURES = {kind.__name__: kind for kind in (SystemUnavailable, errors.SystemMisbehaves, errors.AnswerTooLarge)}


def _said(how: ConnectorError) -> bytes:
    known = next((kind for kind in type(how).__mro__ if kind.__name__ in _FAILURES | _REFUSALS), SystemUnavailable)
    return json.dumps([known.__name__, str(how)]).encode()


def _error(kept: bytes) -> ConnectorError:
    kind, message = json.loads(kept)
    return (_FAILURES | _REFUSALS)[kind](message)
