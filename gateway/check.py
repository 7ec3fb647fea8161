"""`lanyard check`: everything that would stop `serve`, and with `--live` whatever cannot be reached now."""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from connectors.base import ChecksHealth, ConnectorTools
from connectors.errors import ConnectorError
from policies.bundle import Bundle
from policies.errors import BundleError
from sso import wire
from sso.errors import SignOnError
from sso.oidc import OpenIdProvider
from sso.seal import Seal
from sso.word import Word

from . import config as configuration
from .alarms.ways import ways_of
from .assembly import launches_of, provider_settings, systems_of
from .config import Config
from .credentials import SealedFiles, personal
from .errors import ConfigError
from .keys import journal_key, seal_of, vault_seal_of, word_of
from .proxy.client import UpstreamTransport, client
from .proxy.upstream import Transport
from .revisions import database_problems
from .stores.opening import redis_problems
from .systems import System


def check(given: argparse.Namespace) -> int:
    """`lanyard check`: 0 where nothing is found. Raises ConfigError."""
    config = configuration.load(given.config)
    found = asyncio.run(problems(config, live=given.live))
    for notice in notices(config):
        print(f"{given.config}: {notice}")
    for problem in found:
        print(f"lanyard: {configuration.placed(problem, given.config)}", file=sys.stderr)
    if not found:
        print(f"{given.config}: {len(config.systems)} systems, all well")
    return 1 if found else 0


async def problems(config: Config, *, live: bool) -> list[str]:
    """Sentences, each with its key first."""
    found: list[str] = []
    systems: dict[str, System] = {}
    seal: Seal | None = None
    for step in (
        lambda: seal_of(config),
        lambda: journal_key(config),
        lambda: provider_settings(config.sso),
        lambda: systems_of(config),
        lambda: launches_of(config),
        lambda: ways_of(config.alarms),
    ):
        try:
            made = step()
        except ConfigError as error:
            found += error.problems
            continue
        seal = made if isinstance(made, Seal) else seal
        if isinstance(made, dict):
            systems |= {name: one for name, one in made.items() if isinstance(one, System)}
    found += [*_vault_key(config), *_files(config), *_policies(config)]
    if seal is not None:
        files = {t.name: t.credentials for t in config.systems if t.credentials}
        found += SealedFiles(files, seal, personal(systems.values())).check()
    live = live and not found  # who is away may be away because of what is wrong here
    found += await asyncio.to_thread(database_problems, config, live=live)
    if not any(problem.startswith("sso.") for problem in found):
        found += await _provider(config, live=live)
    if config.gateway.redis_url is not None:
        found += await redis_problems(config, live=live)
    if seal is not None:
        found += await _systems(systems, seal, word_of(config, time.time), live=live)
    return found


def notices(config: Config) -> list[str]:
    """What is no fault, and what somebody should know."""
    return [
        f"systems.{table.name}.guard: pages go out without the guard script, {table.guard.removeprefix('off: ')}"
        for table in config.systems
        if table.guard != "on"
    ]


def _vault_key(config: Config) -> list[str]:
    if config.keys.vault is None:
        return []
    try:
        vault_seal_of(config)
    except ConfigError as error:
        return [problem for problem in error.problems if problem.startswith("keys.vault")]
    return []


def _policies(config: Config) -> list[str]:
    try:
        Bundle.load(config.policies.path)
    except BundleError as error:
        return [f"policies.path: {problem}" for problem in error.problems]
    return []


def _files(config: Config) -> Iterator[str]:
    """What is read only when the gateway starts."""
    gateway = config.gateway
    if gateway.tls_cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(gateway.tls_cert, gateway.tls_key)
        except OSError as error:
            pair = f"`{gateway.tls_cert}` and `{gateway.tls_key}`"
            yield f"gateway.tls_cert: {pair} are no certificate and its key: {error.strerror or error}"
    if config.sso.ca_file is not None:
        try:
            ssl.create_default_context(cafile=config.sso.ca_file)
        except OSError as error:
            yield f"sso.ca_file: `{config.sso.ca_file}` cannot be read: {error.strerror or error}"
    place = Path(gateway.data_dir).absolute()
    place = next(p for p in (place, *place.parents) if p.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        yield f"gateway.data_dir: `{place}` is no folder that this user may write to"


async def _provider(config: Config, *, live: bool) -> list[str]:
    http = wire.client_for(config.sso.ca_file)
    try:
        provider = OpenIdProvider(provider_settings(config.sso), http)
        if live:
            await provider.check()
    except ValueError as error:
        return [f"sso: {error}"]
    except SignOnError as error:
        return [f"sso.issuer: {error}"]
    finally:
        await http.aclose()
    return []


async def _systems(systems: dict[str, System], seal: Seal, word: Word, *, live: bool) -> list[str]:
    """Each connector is opened; with `live`, its system asked."""
    found: list[str] = []
    transport = Transport()
    await transport.start()
    try:
        for system in systems.values():
            reach = UpstreamTransport(transport, system.origin)
            try:
                await system.connector.open(ConnectorTools(lambda reach=reach: client(reach), seal, time.time, word))  # type: ignore[misc]  # default binds the loop's value
                if live and isinstance(system.connector, ChecksHealth):
                    async with client(reach) as asking:
                        await system.connector.health(asking)
            except ValueError as error:
                found.append(f"systems.{system.name}.options: {error}")
            except (ConnectorError, httpx2.HTTPError) as error:
                found.append(f"systems.{system.name}: {error}")
            await system.connector.close()
    finally:
        await transport.close()
    return found
