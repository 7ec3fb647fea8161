"""Clinicians' own credentials for systems that have only a login page, from a sealed file.

`systems.credentials` names a file that `lanyard key seal-credentials` wrote: a JSON list of
`{"issuer", "subject", "username", "secret"}`, sealed for one system. The vault is asked first; whoever asks here does not notice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from connectors.base import Credential, KnowsItsWrites, Sealer
from policies.model import Principal

from .errors import ConfigError

if TYPE_CHECKING:
    from .systems import System


class CredentialSource(Protocol):
    async def credential(self, principal: Principal, system: str) -> Credential | None: ...


class InOrder:
    """Several sources as one: the first that has something is the one that counts."""

    def __init__(self, *sources: CredentialSource) -> None:
        self._sources = sources

    async def credential(self, principal: Principal, system: str) -> Credential | None:
        """Raises what a source raises: a refused credential is not passed over for another's."""
        for source in self._sources:
            if (found := await source.credential(principal, system)) is not None:
                return found
        return None


def purpose(system: str) -> str:
    """What a credentials file is sealed for, so that one system's file opens nothing at another's."""
    return f"credentials:{system}"


def seal_credentials(plain: bytes, system: str, sealer: Sealer) -> str:
    """A credentials file's text from its JSON. Raises ConfigError when the JSON has not the shape."""
    parse(plain, "the credentials")
    return sealer.seal(plain, purpose=purpose(system))


class SealedFiles:
    """One sealed file for each system, read when a credential is asked for and whenever the file has changed."""

    def __init__(self, paths: dict[str, str], sealer: Sealer, personal: frozenset[str] = frozenset()) -> None:
        """`personal`: systems where nobody may share a user name with somebody else."""
        self._paths = paths
        self._sealer = sealer
        self._personal = personal
        self._read: dict[str, tuple[int, dict[tuple[str, str], Credential]]] = {}

    async def credential(self, principal: Principal, system: str) -> Credential | None:
        """Raises ConfigError when the file cannot be read or opened."""
        if system not in self._paths:
            return None
        return self._entries(system).get((principal.issuer, principal.subject))

    def check(self) -> list[str]:
        """Problems of all files, for `lanyard check`."""
        problems: list[str] = []
        for system in self._paths:
            try:
                self._entries(system)
            except ConfigError as error:
                problems += error.problems
        return problems

    def _entries(self, system: str) -> dict[tuple[str, str], Credential]:
        path = Path(self._paths[system])
        try:
            changed = path.stat().st_mtime_ns
            if system not in self._read or self._read[system][0] != changed:
                plain = self._sealer.unseal(path.read_text("ascii").strip(), purpose=purpose(system))
                entries = parse(plain, f"`{path}`")
                if system in self._personal:
                    refuse_shared(entries, f"systems.{system}.credentials: `{path}`")
                self._read[system] = (changed, entries)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"systems.{system}.credentials: `{path}` cannot be read: {error}"]) from None
        except ValueError:
            raise ConfigError(
                [
                    f"systems.{system}.credentials: `{path}` does not open under `keys.seal` for this system: seal it again"
                ]
            ) from None
        return self._read[system][1]


_WORDS = ("issuer", "subject", "username", "secret")


def parse(plain: bytes, what: str) -> dict[tuple[str, str], Credential]:
    """Raises ConfigError, which quotes nothing of it."""
    try:
        entries = json.loads(plain)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise ConfigError([f"{what}: not a JSON list of objects with texts for {', '.join(f'`{w}`' for w in _WORDS)}"])
    found = {(e["issuer"], e["subject"]): Credential(e["username"], e["secret"]) for e in entries}
    if len(found) < len(entries):
        raise ConfigError([f"{what}: names a person twice: leave one entry for each"])
    return found


def personal(systems: Iterable[System]) -> frozenset[str]:
    """Those that may be written to: a log-on that several share would leave nobody's name in the system's own audit."""
    return frozenset(
        system.name
        for system in systems
        if not system.table.insecure_shared_credentials
        and (not isinstance(system.connector, KnowsItsWrites) or system.connector.may_change())
    )


def refuse_shared(entries: Mapping[tuple[str, str], Credential], what: str) -> None:
    """Raises ConfigError where one user name is several persons'. Case and blanks make no other name of it."""
    names = Counter(credential.username.strip().casefold() for credential in entries.values())
    shared = sum(count for count in names.values() if count > 1)
    if shared:
        raise ConfigError(
            [
                f"{what}: gives `{shared}` persons a user name that another has too: the system's own audit would name"
                " nobody. Give each their own, or set `insecure_shared_credentials = true` on the system"
            ]
        )


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(word), str) and entry[word] for word in _WORDS)
