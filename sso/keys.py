"""The issuer's published key set into the few keys that may verify a token.

Fetched once an hour, and once more when a token names a key that is not there, but not more than once a minute, so
that tokens with invented names cost the provider nothing. When the set cannot be fetched the keys at hand serve for
a day; then nothing is believed any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from .errors import ProviderAway
from .flight import Flight

FRESH = 3600.0  # seconds
STALE = 24 * 3600.0
PAUSE = 60.0  # seconds between two fetches that a token, or a failure, gave cause to
_MOST_KEYS = 64
# Key type (and curve) → the algorithms it may verify; `alg` in the key narrows it to one.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
ALGORITHMS = (*_RSA, *(name for names in _EC.values() for name in names))

PublicKey = RSAKey | ECKey


class IssuerKeys:
    """The keys of one issuer. `fetch` returns the JWKS as a JSON object or raises ProviderAway."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, object]]], now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._keys: list[tuple[str | None, tuple[str, ...], PublicKey]] = []
        self._fetched = self._tried = self._forced = float("-inf")
        self._flight: Flight[None] = Flight(self._replace)

    async def candidates(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        """The keys that may have signed: those called `kid`; without one, the only key that fits.

        Empty when there is none, even after asking again. Raises ProviderAway when no key is at hand.
        """
        await self._current()
        found = self._named(kid, algorithm)
        if found or not (self._flight.under_way or self._now() - self._forced >= PAUSE):
            return found
        if not self._flight.under_way:
            self._forced = self._now()
        await self._refresh()
        return self._named(kid, algorithm)

    async def _current(self) -> None:
        age = self._now() - self._fetched
        if age >= STALE:
            self._keys = []  # fails closed: a key withdrawn meanwhile may not serve for ever
            await self._flight.join()
        elif age >= FRESH and self._now() - self._tried >= PAUSE:
            await self._refresh()

    async def _refresh(self) -> None:
        """As good as it gets: the keys at hand stay when the provider cannot be asked."""
        try:
            await self._flight.join()
        except ProviderAway:
            if not self._keys:
                raise

    async def _replace(self) -> None:
        self._tried = self._now()
        document = await self._fetch()
        entries = document.get("keys")
        if not isinstance(entries, list):
            raise ProviderAway("the identity provider's key set holds no `keys`", reason="provider-answer")
        keys = [key for entry in entries[:_MOST_KEYS] if (key := _usable(entry)) is not None]
        if not keys:
            raise ProviderAway("the identity provider's key set holds no key that we use", reason="provider-answer")
        self._keys, self._fetched = keys, self._now()

    def _named(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        fitting = [(name, key) for name, algorithms, key in self._keys if algorithm in algorithms]
        if kid is not None:
            return [key for name, key in fitting if name == kid][:4]
        return [key for _, key in fitting] if len(fitting) == 1 else []


def _usable(entry: Any) -> tuple[str | None, tuple[str, ...], PublicKey] | None:
    """(kid, algorithms, key) of a public signature key; None for anything else: other use, private, symmetric, weak."""
    if not isinstance(entry, dict) or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    operations, kid, pinned = entry.get("key_ops", ["verify"]), entry.get("kid"), entry.get("alg")
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(kid, str | None):
        return None
    algorithms = _RSA if entry.get("kty") == "RSA" else _EC.get(str(entry.get("crv")), ())
    if entry.get("kty") not in ("RSA", "EC") or not algorithms:
        return None
    if pinned is not None:
        algorithms = (pinned,) if pinned in algorithms else ()
    if entry.get("kty") == "RSA" and not _sound(entry):
        return None
    # Only the members that make the key: certificates and URLs beside it are never looked at.
    bare = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in entry}
    try:
        key: PublicKey = RSAKey.import_key(bare) if bare["kty"] == "RSA" else ECKey.import_key(bare)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return (kid, algorithms, key) if algorithms else None


def _sound(entry: dict[str, Any]) -> bool:
    """A modulus of 2048 to 8192 bits and a short exponent, told by their base64url lengths before any computing."""
    modulus, exponent = entry.get("n"), entry.get("e")
    return isinstance(modulus, str) and 342 <= len(modulus) <= 1366 and isinstance(exponent, str) and len(exponent) <= 8
