"""The configuration into parts: settings, keys, systems and their connectors, sites. Nothing is opened yet."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from connectors import registry
from connectors.base import Share, State, SystemConfig
from connectors.manifest import Manifest
from sso.provider import ClaimNames, ProviderSettings

from .config import Config, SsoTable, SystemTable
from .edge.origins import ApiSite, MainSite, Site, SystemSite
from .errors import ConfigError
from .keys import secret
from .launches import Launched
from .proxy.breaker import Breaker
from .proxy.guarding import PageGuard
from .proxy.limits import Bulkhead
from .proxy.origin import Origin
from .proxy.passage import Passage
from .systems import System
from .web import guard

T = TypeVar("T")


def provider_settings(sso: SsoTable) -> ProviderSettings:
    """The `[sso]` table with its secrets read. Raises ConfigError."""
    return ProviderSettings(
        issuer=sso.issuer,
        client_id=sso.client_id,
        client_secret=secret("sso.client_secret", sso.client_secret) if sso.client_secret else None,
        client_key_pem=secret("sso.client_key", sso.client_key) if sso.client_key else None,
        client_auth=sso.client_auth,
        client_alg=sso.client_alg,
        id_token_alg=sso.id_token_alg,
        scopes=tuple(sso.scopes) if sso.scopes is not None else None,
        acr_values=tuple(sso.acr_values),
        step_up_acr_values=tuple(sso.step_up_acr_values),
        ca_file=sso.ca_file,
        endpoint_hosts=tuple(sso.endpoint_hosts),
        preset=sso.preset,
        claims=ClaimNames(**sso.claims.model_dump()),
        roles=sso.roles,
        minimum_assurance=sso.minimum_assurance,
        insecure_issuer=sso.insecure_issuer,
    )


def origin_of(table: SystemTable) -> Origin:
    """Where a system is. Raises ConfigError when its certificate authorities cannot be read."""
    parts = urlsplit(table.upstream)
    tls = None
    if parts.scheme == "https":
        try:
            tls = ssl.create_default_context(cafile=table.ca_file)
        except OSError as error:
            raise ConfigError([f"systems.{table.name}.ca_file: `{table.ca_file}` cannot be read: {error}"]) from None
    return Origin(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or (443 if tls else 80),
        base_path=parts.path.rstrip("/").encode(),
        sni=table.sni or "",
        tls=tls,
        networks=tuple(ipaddress.ip_network(n) for n in table.networks),
        connect_timeout=table.connect_timeout,
        read_timeout=table.timeout,
    )


def system_of(table: SystemTable, config: Config, workers: int = 1) -> System:
    """A configured system, its connector made and not yet opened. Raises ConfigError with every problem."""
    kind, manifest, problems = _loaded(table)
    if not table.upstream:
        problems.append(f"systems.{table.name}.upstream: is missing: where is the system?")
    if table.mount not in manifest.mounts:
        problems.append(
            f"systems.{table.name}.mount: `{table.connector}` is mounted by {' or '.join(sorted(manifest.mounts))}"
        )
    parts = urlsplit(table.upstream)
    if parts.path.rstrip("/") and not manifest.base_path:
        problems.append(
            f"systems.{table.name}.upstream: `{table.connector}` takes no path here: leave `{parts.path}` out"
        )
    if problems:
        raise ConfigError(problems)
    host = config.host_of(table)
    prefix = f"/{table.name}" if table.mount == "path" else ""
    public = f"{config.scheme}://{host}"
    connector = _made(kind, table, public, prefix)
    upstream = f"{parts.scheme}://{parts.netloc}".encode()
    translate = table.host_header == "upstream"
    passage = Passage(
        public_origin=public.encode(),
        prefix=prefix.encode(),
        upstream_origin=upstream,
        base_path=parts.path.rstrip("/").encode(),
        host=(parts.netloc if translate else host).encode(),
        translate=translate,
        api=table.mount == "path",
        browser_cookies=frozenset(
            c.encode() for c in (*manifest.browser_cookies, *table.options.get("browser_cookies", ()))
        ),
        opened_from=frozenset(_origins_of(table.opened_from, config)),
        https=config.scheme == "https",
        known_origins=frozenset({upstream.lower(), public.encode()}),
        guard=_page_guard(table, config, public) if table.mount == "host" and table.guard == "on" else None,
    )
    return System(
        table=table,
        manifest=manifest,
        connector=connector,
        origin=origin_of(table),
        passage=passage,
        bulkhead=Bulkhead(table.title, max(1, table.concurrency // workers)),
        breaker=Breaker(table.title, time.monotonic),
        host=host,
        share=Share(table.share) if table.share else manifest.share,
        state=manifest.state,
        keepable=manifest.keepable,
    )


def _loaded(table: SystemTable) -> tuple[type[Any], Manifest, list[str]]:
    """What a system's connector is made of, and what is wrong with its options. Raises ConfigError where there is no such connector."""
    try:
        kind, manifest = registry.load(table.connector)
    except registry.UnknownConnector as error:
        raise ConfigError([f"systems.{table.name}.connector: {error}"]) from None
    return kind, manifest, [f"systems.{table.name}: {p}" for p in manifest.problems(table.options)]


def _made(kind: type[Any], table: SystemTable, public: str = "", prefix: str = "") -> Any:
    """Raises ConfigError."""
    config = SystemConfig(
        table.name,
        table.title,
        table.upstream,
        table.options,
        table.hold,
        public,
        prefix,
        table.helpdesk,
        table.host_header,
    )
    try:
        return kind(config)
    except ValueError as error:
        raise ConfigError([f"systems.{table.name}.options: {error}"]) from None


def _page_guard(table: SystemTable, config: Config, public: str) -> PageGuard:
    return PageGuard(guard.VERSION, guard.INTEGRITY, public.encode(), f"{config.gateway.public_url}/")


def _origins_of(names: list[str], config: Config) -> list[str]:
    tables = {table.name: table for table in config.systems}
    return [f"{config.scheme}://{config.host_of(tables[name])}" for name in names if name in tables]


def systems_of(config: Config, workers: int = 1) -> dict[str, System]:
    """Those that are brokered, for one of so many workers, which share what a system bears. Raises ConfigError with all their problems."""
    return _each(config, lambda table: system_of(table, config, workers), brokered=True)


def launches_of(config: Config) -> dict[str, Launched]:
    """Those that are only opened. Raises ConfigError with all their problems."""
    return _each(config, _launched, brokered=False)


def _each(config: Config, made: Callable[[SystemTable], T], *, brokered: bool) -> dict[str, T]:
    """By name. What has no known connector is told with the brokered ones."""
    problems: list[str] = []
    found: dict[str, T] = {}
    for table in config.systems:
        try:
            if (_state(table) is State.BROKERED) is brokered:
                found[table.name] = made(table)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def _state(table: SystemTable) -> State:
    try:
        return registry.load(table.connector)[1].state
    except registry.UnknownConnector:
        return State.BROKERED


def _launched(table: SystemTable) -> Launched:
    kind, manifest, problems = _loaded(table)
    if table.upstream:
        problems.append(
            f"systems.{table.name}.upstream: `{table.connector}` opens it and passes nothing on: leave `upstream` out, and say in"
            " `options` how it is opened"
        )
    if problems:
        raise ConfigError(problems)
    return Launched(table, _made(kind, table), manifest.state)


def sites_of(config: Config, systems: dict[str, System]) -> dict[str, Site]:
    """Which host is which site."""
    sites: dict[str, Site] = {config.public_host: MainSite(config.public_host)}
    by_path = {name: system for name, system in systems.items() if system.table.mount == "path"}
    if by_path:
        sites[config.api_host] = ApiSite(config.api_host, by_path)
    for system in systems.values():
        if system.table.mount == "host":
            sites[system.host] = SystemSite(system.host, system)
    return sites


def form_targets(config: Config, systems: dict[str, System], launched: dict[str, Launched]) -> tuple[str, ...]:
    """Where forms of ours lead by redirect: the provider, every system's host, and what is opened (CSP, `form-action`)."""
    provider = urlsplit(config.sso.issuer)
    return (
        f"{provider.scheme}://{provider.netloc}",
        *(f"https://{h}" for h in config.sso.endpoint_hosts),
        *system_origins(config, systems),
        *sorted({source for one in launched.values() for source in one.connector.leads_to()}),
    )


def system_origins(config: Config, systems: dict[str, System]) -> tuple[str, ...]:
    return tuple(sorted({f"{config.scheme}://{system.host}" for system in systems.values()}))
