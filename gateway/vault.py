"""The vault: a clinician's own credentials, for systems that have only a login page, in envelope encryption.

Each clinician has a data key of their own, wrapped by a key-encryption key that never leaves its place (the operator's file, or a
KMS). Rotating that key wraps the data keys again and touches no credential; forgetting the last credential deletes the data key.
What is sealed is bound to (issuer, subject, system): a value that is moved to another row does not open.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from connectors.base import Credential
from connectors.errors import CredentialRefused, PasswordChangeDue
from policies.model import Principal
from sso.errors import StoreUnavailable
from sso.seal import KEY_BYTES, Seal, SealError

from .stores.base import SealedCredential, VaultStore, key_hash

_TRIES = 5  # to keep something while its data key is being rotated


class KeyEncryption(Protocol):
    """A key-encryption key, as a KMS offers it: what it wraps, it alone unwraps, and only for the same `bound`."""

    async def key_id(self) -> str:
        """Names the key that wraps now."""
        ...

    async def wrap(self, key: bytes, *, bound: str) -> str:
        """Raises StoreUnavailable."""
        ...

    async def unwrap(self, wrapped: str, *, bound: str) -> bytes:
        """Raises StoreUnavailable, also for what is not ours."""
        ...

    def wrapped_by(self, wrapped: str) -> str:
        """The id of the key that wrapped it."""
        ...


class OperatorKeys:
    """The operator's own keys, from a file or the environment: the first wraps, all unwrap."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def key_id(self) -> str:
        return self._seal.current

    async def wrap(self, key: bytes, *, bound: str) -> str:
        return self._seal.seal(key, purpose=f"vault-key:{bound}")

    async def unwrap(self, wrapped: str, *, bound: str) -> bytes:
        try:
            return self._seal.unseal(wrapped, purpose=f"vault-key:{bound}")
        except SealError:
            raise StoreUnavailable(
                "the vault holds a data key that `keys.vault` does not open: was a key taken away?"
            ) from None

    def wrapped_by(self, wrapped: str) -> str:
        return wrapped.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Kept:
    """What may be said of a kept credential: never its words. Times are seconds since the epoch."""

    system: str
    since: float
    by: str = "clinician"  # `import`: brought on the first day, not proved by a log-on
    used: float | None = None
    refused: float | None = None
    change: bool = False  # it was refused since the system wants a new password


@dataclass(frozen=True, slots=True)
class _Opened:
    row: SealedCredential
    seal: Seal
    about: Kept
    credential: Credential


class Vault:
    """A CredentialSource. Every method raises StoreUnavailable where store or key-encryption key do not answer."""

    def __init__(self, store: VaultStore, keys: KeyEncryption, now: Callable[[], float]) -> None:
        self._store = store
        self._keys = keys
        self._now = now

    async def credential(self, principal: Principal, system: str) -> Credential | None:
        """Raises CredentialRefused for one that the system has refused: a new one must be given first."""
        opened = await self._opened(principal, system)
        if opened is None:
            return None
        if opened.about.change:
            raise PasswordChangeDue("the system wants a new password from you: the kept one is not tried any more")
        if opened.about.refused is not None:
            raise CredentialRefused("the system refused the log-on that is kept for you: it is not tried any more")
        return opened.credential

    async def kept(self, principal: Principal) -> list[Kept]:
        """What is kept for somebody, by system."""
        seal = await self._data_key(person := _person(principal))
        rows = await self._store.credentials_of(person) if seal else []
        return sorted((_about(seal, row) for row in rows if seal), key=lambda kept: kept.system)

    async def keep(self, principal: Principal, system: str, credential: Credential, *, by: str = "clinician") -> None:
        """Keep, or replace what was kept."""
        person, key = _person(principal), _row(principal, system)
        now = self._now()
        kept = Kept(system, now, by, used=now if by == "clinician" else None)
        for _ in range(_TRIES):
            wrapped = await self._store.vault_key(person)
            if wrapped is None:
                data_key = secrets.token_bytes(KEY_BYTES)
                wrapped = await self._keys.wrap(data_key, bound=person)
                seal = Seal([data_key])
            else:
                seal = Seal([await self._keys.unwrap(wrapped, bound=person)])
            words = json.dumps([credential.username, credential.secret]).encode()
            row = SealedCredential(key, _sealed_about(seal, key, kept), seal.seal(words, purpose=_value_of(key)))
            if await self._store.put_credential(person, wrapped, row):
                return
        raise StoreUnavailable("the vault's data key changed again and again while something was to be kept")

    async def forget(self, principal: Principal, system: str) -> bool:
        """Whether there was something to forget."""
        key = _row(principal, system)
        return await self._store.forget_credential(_person(principal), key)

    async def tried(
        self, principal: Principal, system: str, credential: Credential, refusal: CredentialRefused | None
    ) -> None:
        """Note that the system took this credential, or refused it; nothing where another is kept by now."""
        opened = await self._opened(principal, system)
        if opened is None or not _same(opened.credential, credential):
            return
        now = self._now()
        if refusal is None:
            about = replace(opened.about, used=now)
        else:
            about = replace(opened.about, refused=now, change=isinstance(refusal, PasswordChangeDue))
        sealed = _sealed_about(opened.seal, opened.row.key, about)
        await self._store.note_credential(replace(opened.row, about=sealed))

    async def rewrap(self) -> int:
        """Wrap again, under the key that wraps now, whatever another has wrapped; how many those were. Nobody waits for it."""
        now, done = await self._keys.key_id(), 0
        for person, wrapped in await self._store.vault_keys():
            if self._keys.wrapped_by(wrapped) != now:
                again = await self._keys.wrap(await self._keys.unwrap(wrapped, bound=person), bound=person)
                done += await self._store.rewrap_vault_key(person, wrapped, again)
        return done

    async def under_older_keys(self) -> int:
        """How many data keys another than the first key has wrapped: while there are any, that one must stay."""
        now = await self._keys.key_id()
        return sum(self._keys.wrapped_by(wrapped) != now for _, wrapped in await self._store.vault_keys())

    async def _opened(self, principal: Principal, system: str) -> _Opened | None:
        key = _row(principal, system)
        row = await self._store.credential(key)
        seal = await self._data_key(_person(principal)) if row else None
        if row is None or seal is None:
            return None
        username, secret = json.loads(_unsealed(seal, row.value, _value_of(key)))
        return _Opened(row, seal, _about(seal, row), Credential(username, secret))

    async def _data_key(self, person: str) -> Seal | None:
        wrapped = await self._store.vault_key(person)
        return Seal([await self._keys.unwrap(wrapped, bound=person)]) if wrapped else None


def _person(principal: Principal) -> str:
    return key_hash(principal.issuer, principal.subject)


def _row(principal: Principal, system: str) -> str:
    return key_hash(principal.issuer, principal.subject, system)


def _value_of(key: str) -> str:
    return f"credential:{key}"


def _sealed_about(seal: Seal, key: str, kept: Kept) -> str:
    return seal.seal(json.dumps(asdict(kept)).encode(), purpose=f"credential-about:{key}")


def _about(seal: Seal, row: SealedCredential) -> Kept:
    value: dict[str, Any] = json.loads(_unsealed(seal, row.about, f"credential-about:{row.key}"))
    return Kept(**value)


def _unsealed(seal: Seal, value: str, purpose: str) -> bytes:
    try:
        return seal.unseal(value, purpose=purpose)
    except SealError:
        raise StoreUnavailable("the vault holds what its own data key does not open: was a row moved?") from None


def _same(one: Credential, other: Credential) -> bool:
    return one.username == other.username and hmac.compare_digest(one.secret.encode(), other.secret.encode())
