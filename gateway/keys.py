"""The keys and secrets that a configuration names, read."""

from __future__ import annotations

from collections.abc import Callable

from sso.seal import Seal, read_keys
from sso.word import Word

from .config import Config, SecretRef
from .errors import ConfigError


def secret(key: str, reference: SecretRef) -> bytes:
    """Raises ConfigError naming the key and the reference."""
    try:
        return reference.read()
    except ConfigError as error:
        raise ConfigError([f"{key}: {problem}" for problem in error.problems]) from None


def seal_of(config: Config) -> Seal:
    """Raises ConfigError."""
    try:
        return Seal(sealing_keys(config))
    except ValueError as error:
        raise ConfigError([f"keys.seal: {error}"]) from None


def sealing_keys(config: Config) -> list[bytes]:
    """The one that seals first. Raises ConfigError."""
    try:
        return read_keys(secret("keys.seal", config.keys.seal))
    except ValueError as error:
        raise ConfigError([f"keys.seal: {error}"]) from None


def word_of(config: Config, now: Callable[[], float]) -> Word:
    """What systems are told of who is asking, and can check. Raises ConfigError."""
    return Word(config.gateway.public_url, sealing_keys(config), now)


def vault_seal_of(config: Config) -> Seal:
    """The keys that wrap the vault's data keys. `keys.seal` still opens, so that `keys.vault` may be set later.

    Raises ConfigError."""
    if config.keys.vault is None:
        return seal_of(config)
    try:
        own = read_keys(secret("keys.vault", config.keys.vault))
        Seal(own)  # before the others join: a key that stands twice in this file is this file's problem
    except ValueError as error:
        raise ConfigError([f"keys.vault: {error}"]) from None
    seal_of(config)
    return Seal([*own, *(key for key in sealing_keys(config) if key not in own)])


def journal_key(config: Config) -> bytes:
    """Raises ConfigError."""
    key = secret("keys.journal", config.keys.journal)
    if len(key) < 32:
        raise ConfigError(["keys.journal: is shorter than 32 bytes: make one with `lanyard key new`"])
    return key
