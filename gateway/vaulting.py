"""`lanyard vault`: credentials brought in on the first day, one released for downtime by two persons, data keys wrapped again.

Whatever is kept or shown is journalled before it is. A credential is shown on a terminal, once, and nowhere else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.base import Credential
from policies.model import Principal

from . import config as configuration
from .assembly import systems_of
from .audit.event import AuditEvent, EventType
from .auditing import operator, own_journal
from .config import Config
from .credentials import InOrder, SealedFiles, parse, personal, refuse_shared
from .errors import ConfigError
from .installation import opened_store
from .keys import journal_key, seal_of, vault_seal_of
from .stores.base import Store
from .systems import System
from .vault import OperatorKeys, Vault

_RELEASE, _RELEASE_LIFE = "release", 900.0  # seconds between the two persons
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another when read out
_SHORTEST_REASON = 8  # characters
_NO_LOGIN = 4294967295  # what the kernel says of a process that nobody logged in for


@dataclass(frozen=True, slots=True)
class _Room:
    """The vault from outside the gateway, which may be running or down."""

    config: Config
    store: Store
    vault: Vault

    async def record(self, kind: EventType, *events: Mapping[str, object]) -> None:
        """Raises JournalUnavailable."""
        journal = own_journal(Path(self.config.gateway.data_dir), journal_key(self.config))
        try:
            for fields in events:
                await journal.record(AuditEvent(kind, time.time(), dict(fields)))
        finally:
            await journal.close()


@contextlib.asynccontextmanager
async def _room(config: Config) -> AsyncIterator[_Room]:
    async with opened_store(config) as store:
        yield _Room(config, store, Vault(store, OperatorKeys(vault_seal_of(config)), time.time))


def vault_import(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    system = _system(config, given.system)
    what = "standard input" if given.file == "-" else f"`{given.file}`"
    entries = parse(sys.stdin.buffer.read() if given.file == "-" else _read(given.file), what)
    if not all((c.username + c.secret).isprintable() for c in entries.values()):
        raise ConfigError([f"{what}: holds a user name or password with a character that cannot be printed"])
    if system.name in personal([system]):
        refuse_shared(entries, what)
    return asyncio.run(_import(config, system.name, entries))


async def _import(config: Config, system: str, entries: Mapping[tuple[str, str], Credential]) -> int:
    async with _room(config) as room:
        new = {}
        for (issuer, subject), credential in entries.items():
            who = _principal(issuer, subject)
            if all(kept.system != system for kept in await room.vault.kept(who)):
                new[who] = credential
        events = (
            {"system": system, "issuer": who.issuer, "subject": who.subject, "by": "import", "operator": operator()}
            for who in new
        )
        await room.record(EventType.CREDENTIAL_KEPT, *events)
        for who, credential in new.items():
            await room.vault.keep(who, system, credential, by="import")
    left = len(entries) - len(new)
    print(f"{len(new)} credentials kept for `{system}`", end="")
    print(f"; {left} persons had one already, which was left as it is" if left else "")
    return 0


def vault_release(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    if not _folded(given.operator) or len(given.reason.strip()) < _SHORTEST_REASON:
        raise ConfigError(["`--operator` and `--reason` are journalled: give your name, and a reason that says why"])
    if given.confirm:
        return asyncio.run(_confirm(config, given))
    if not given.system or not given.subject:
        raise ConfigError(["name whose credential is needed: `--system` and `--subject`; or `--confirm` a request"])
    _system(config, given.system)
    return asyncio.run(_ask(config, given))


async def _ask(config: Config, given: argparse.Namespace) -> int:
    who = _principal(given.issuer or config.sso.issuer, given.subject)
    async with _room(config) as room:
        if await _source(room).credential(who, given.system) is None:
            print(f"nothing is kept for `{who.subject}` and `{given.system}`")
            return 1
        number = "".join(secrets.choice(_LETTERS) for _ in range(8))
        request = {
            "system": given.system,
            "issuer": who.issuer,
            "subject": who.subject,
            "asked_by": given.operator.strip(),
            "asked_account": _account(),
            "asked_reason": given.reason.strip(),
            "asked_at": time.time(),
        }
        until = time.time() + _RELEASE_LIFE
        await room.store.put_code(_RELEASE, number, json.dumps(request).encode(), until)
    print(
        f"asked for: request {number[:4]}-{number[4:]}. Nothing is shown until another person confirms it, within 15 minutes:"
    )
    print(f'  lanyard vault release --confirm {number[:4]}-{number[4:]} --operator "NAME" --reason "TEXT"')
    return 0


async def _confirm(config: Config, given: argparse.Namespace) -> int:
    if not sys.stdout.isatty():
        raise ConfigError(["a credential is shown on a terminal only: do not lead the output elsewhere"])
    number = given.confirm.replace("-", "").strip().upper()
    async with _room(config) as room:
        kept = await room.store.read_code(_RELEASE, number, time.time())
        if kept is None:
            print("there is no such request: it was confirmed already, or is older than 15 minutes")
            return 1
        request = json.loads(kept)
        if _same_person(request, given.operator):
            print("whoever asked cannot confirm: another person must")
            return 1
        who = _principal(request["issuer"], request["subject"])
        credential = await _source(room).credential(who, request["system"])
        if credential is None or await room.store.take_code(_RELEASE, number, time.time()) is None:
            print("it is not there any more: it was forgotten, or the request was confirmed meanwhile")
            return 1
        confirmed = {"confirmed_by": given.operator.strip(), "confirmed_account": _account()}
        await room.record(
            EventType.CREDENTIAL_RELEASED, request | confirmed | {"confirmed_reason": given.reason.strip()}
        )
    print(f"{request['system']}, {who.subject}: shown once, and written down with both names")
    print(f"  user name  {credential.username}")
    print(f"  password   {credential.secret}")
    print("have it changed afterwards, and clear this terminal")
    return 0


def vault_rewrap(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)

    async def run() -> int:
        async with _room(config) as room:
            done, left = await room.vault.rewrap(), await room.vault.under_older_keys()
        print(f"{done} data keys wrapped again; {left} left under an older key")
        return 1 if left else 0

    return asyncio.run(run())


def _source(room: _Room) -> InOrder:
    """The sealed files are somebody's credentials too."""
    files = {t.name: t.credentials for t in room.config.systems if t.credentials}
    return InOrder(room.vault, SealedFiles(files, seal_of(room.config)))


def _system(config: Config, name: str) -> System:
    system = systems_of(config).get(name)
    if system is None:
        raise ConfigError([f"`{name}` is no system of the configuration"])
    if system.logs_on is None:
        raise ConfigError([f"`{name}` has no log-on of its own: nothing is kept for it"])
    return system


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError([f"`{file}` cannot be read: {error.strerror}"]) from None


def _principal(issuer: str, subject: str) -> Principal:
    return Principal(issuer, subject, "", "", frozenset())


def _same_person(request: Mapping[str, str], name: str) -> bool:
    """By the name given; and by the account that logged in at this machine, where the kernel knows one."""
    account = _account()
    by_account = account.startswith("login ") and account == request["asked_account"]
    return by_account or _folded(name) == _folded(request["asked_by"])


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _account() -> str:
    """`sudo` changes who runs a command, and not who has logged in."""
    with contextlib.suppress(OSError, ValueError):
        uid = int(Path("/proc/self/loginuid").read_text("ascii"))
        if uid != _NO_LOGIN:
            return f"login {uid}"
    return operator()
