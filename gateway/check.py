"""`lanyard check`: everything that would stop `serve`, and with `--live` whatever cannot be reached now."""

from __future__ import annotations

import time

import httpx2

from connectors.base import ChecksHealth, ConnectorTools
from connectors.errors import ConnectorError
from policies.bundle import Bundle
from policies.errors import BundleError
from sso import wire
from sso.errors import SignOnError
from sso.oidc import OpenIdProvider
from sso.seal import Seal

from .assembly import journal_key, provider_settings, seal_of, systems_of
from .config import Config
from .credentials import SealedFiles
from .errors import ConfigError
from .proxy.client import UpstreamTransport, client
from .proxy.upstream import Transport
from .systems import System


async def problems(config: Config, *, live: bool) -> list[str]:
    """Everything that would stop `serve`, and with `live` whatever cannot be reached now."""
    found: list[str] = []
    systems: dict[str, System] = {}
    seal: Seal | None = None
    for step in (
        lambda: seal_of(config),
        lambda: journal_key(config),
        lambda: provider_settings(config.sso),
        lambda: systems_of(config),
    ):
        try:
            made = step()
        except ConfigError as error:
            found += error.problems
            continue
        seal = made if isinstance(made, Seal) else seal
        systems = made if isinstance(made, dict) else systems
    try:
        Bundle.load(config.policies.path)
    except BundleError as error:
        found += error.problems
    if seal is not None:
        files = {t.name: t.credentials for t in config.systems if t.credentials}
        found += SealedFiles(files, seal).check()
    if live and not found and seal is not None:
        found += await _unreachable(config, systems, seal)
    return found


async def _unreachable(config: Config, systems: dict[str, System], seal: Seal) -> list[str]:
    found: list[str] = []
    http = wire.client_for(config.sso.ca_file)
    try:
        await OpenIdProvider(provider_settings(config.sso), http).check()
    except (SignOnError, ValueError) as error:
        found.append(f"sso.issuer: {error}")
    finally:
        await http.aclose()
    transport = Transport()
    await transport.start()
    for system in systems.values():
        reach = UpstreamTransport(transport, system.origin)
        try:
            await system.connector.open(ConnectorTools(lambda reach=reach: client(reach), seal, time.time))  # type: ignore[misc]  # default binds the loop's value
            if isinstance(system.connector, ChecksHealth):
                async with client(reach) as asking:
                    await system.connector.health(asking)
        except (ConnectorError, ValueError, httpx2.HTTPError) as error:
            found.append(f"systems.{system.name}: {error}")
    await transport.close()
    return found
