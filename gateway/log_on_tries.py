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
from sso.errors import StoreUnavailable
from sso.shift import Shift

from .log_on import Key
from .stores.base import CodeStore, key_hash

_REFUSED_LIFE = 24 * 3600.0  # seconds: longer than any shift
_QUIET = 5.0  # seconds in which a system that did not answer is not tried again
# Likewise after the first, the second and each further answer that is neither yes nor no: it may have been a no that counts.
_DOUBTS = (5.0, 60.0, 300.0)
_DOUBTED_LIFE = 900.0  # seconds after the last of them
_NOT_TOLD = 300.0  # seconds that a refusal is remembered here alone, where the store did not take it
_MOST = 1000  # of those
_REFUSED, _FAILED, _DOUBTED, _TYPED = "log-on-refused", "log-on-failed", "log-on-doubted", "log-on-typed"


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
        # What the store did not take, and until when it counts.
        self._untold: dict[tuple[str, str], tuple[bytes, float]] = {}

    async def refused(self, shift: Shift, system: str) -> Refused | None:
        kept = await self._kept(_REFUSED, key_hash(shift.id, system))
        if kept is None:
            return None
        kind, fingerprint = json.loads(kept)
        return Refused(_REFUSALS.get(kind, CredentialRefused), fingerprint)

    async def was_refused(self, shift: Shift, system: str, credential: Credential, how: CredentialRefused) -> None:
        """For the whole shift, unless it is replaced."""
        value = json.dumps([type(how).__name__, fingerprint(credential)]).encode()
        await self._keep(_REFUSED, key_hash(shift.id, system), value, _REFUSED_LIFE)

    async def is_taken(self, shift: Shift, system: str) -> None:
        """The system took what was typed: what it refused before does not matter any more."""
        for kind, code in ((_REFUSED, key_hash(shift.id, system)), (_DOUBTED, _account(shift, system))):
            self._untold.pop((kind, code), None)
            await self._store.take_code(kind, code, self._now())

    async def failed(self, key: Key, shift: Shift, how: ConnectorError) -> None:
        """Neither yes nor no: whoever waited for it, or comes just after, is told the same. An answer that nobody understands is
        asked for ever more rarely, whichever session or shift of this clinician wants it: systems lock accounts."""
        if isinstance(how, SystemUnavailable):
            await self._keep(_FAILED, key_hash(*key), _said(how), _QUIET)
            return
        account = _account(shift, key[2])
        times = (await self._doubts(account))[0]
        value = json.dumps([times + 1, self._now() + _DOUBTS[min(times, len(_DOUBTS) - 1)], _said(how).decode()])
        await self._keep(_DOUBTED, account, value.encode(), _DOUBTED_LIFE)

    async def failure(self, key: Key, shift: Shift) -> ConnectorError | None:
        """As which a log-on fails without being tried."""
        _, until, said = await self._doubts(_account(shift, key[2]))
        kept = said if self._now() < until else await self._kept(_FAILED, key_hash(*key))
        return _error(kept) if kept else None

    async def _doubts(self, account: str) -> tuple[int, float, bytes]:
        """How often in a row it was neither, until when it is not tried, and what was said last."""
        kept = await self._kept(_DOUBTED, account)
        times, until, said = json.loads(kept) if kept else (0, 0.0, "")
        return times, until, said.encode()

    async def _keep(self, kind: str, code: str, value: bytes, life: float) -> None:
        """Here alone where the store does not take it: whoever waits here is not to try once more."""
        try:
            await self._store.put_code(kind, code, value, self._now() + life)
        except StoreUnavailable:
            if len(self._untold) >= _MOST:
                self._untold.clear()
            self._untold[kind, code] = value, self._now() + min(life, _NOT_TOLD)
            raise

    async def _kept(self, kind: str, code: str) -> bytes | None:
        value, until = self._untold.get((kind, code), (b"", 0.0))
        return value if self._now() < until else await self._store.read_code(kind, code, self._now())

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


def _account(shift: Shift, system: str) -> str:
    """A clinician's at a system, from whatever device."""
    return key_hash(shift.principal.issuer, shift.principal.subject, system)


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
