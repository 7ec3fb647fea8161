"""The composition root: wires the rooms together, and runs them. It decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import signal
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from connectors import registry
from connectors.base import ChecksHealth, ConnectorTools, Share, SystemConfig
from connectors.errors import ConnectorError
from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.errors import BundleError
from sso import wire
from sso.errors import SignOnError, StoreUnavailable
from sso.oidc import OpenIdProvider
from sso.provider import ClaimNames, ProviderSettings
from sso.seal import Seal

from . import logs
from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .audit.search import SearchCopy
from .config import Config, SsoTable, SystemTable
from .context import Surroundings
from .credentials import SealedFiles
from .edge.guard import Guard
from .edge.origins import ApiSite, Doors, MainSite, Site, SystemSite
from .edge.server import LanyardServer, server
from .errors import ConfigError
from .gateway import Gateway
from .metrics import Metrics
from .ops import ops_app
from .pipeline import Pipeline
from .proxy.client import UpstreamTransport, client
from .proxy.headers import Passage
from .proxy.limits import Bulkhead
from .proxy.upstream import Origin, Transport
from .sessions import Seat, Sessions
from .stores.sqlite import SqliteStore
from .systems import System
from .upstreams import UpstreamSessions
from .web.app import main_site
from .web.launchpad import Launchpad
from .web.refusals import Refusals
from .web.render import Renderer
from .web.signon import SignOn, SignOnSettings

_SWEEP_EVERY = 300.0  # seconds


@dataclass(slots=True)
class Running:
    """Everything that is open, in the order of its opening."""

    config: Config
    gateway: Guard
    ops: object
    journal: Journal
    rejected: Callable[[str, str], None]
    closing: contextlib.AsyncExitStack
    draining: asyncio.Event = field(default_factory=asyncio.Event)


def provider_settings(sso: SsoTable) -> ProviderSettings:
    """The `[sso]` table with its secrets read. Raises ConfigError."""
    return ProviderSettings(
        issuer=sso.issuer,
        client_id=sso.client_id,
        client_secret=sso.client_secret.read() if sso.client_secret else None,
        client_key_pem=sso.client_key.read() if sso.client_key else None,
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


def system_of(table: SystemTable, config: Config) -> System:
    """A configured system, its connector made and not yet opened. Raises ConfigError with every problem."""
    try:
        kind, manifest = registry.load(table.connector)
    except registry.UnknownConnector as error:
        raise ConfigError([f"systems.{table.name}.connector: {error}"]) from None
    problems = [f"systems.{table.name}: {p}" for p in manifest.problems(table.options)]
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
    try:
        connector = kind(  # type: ignore[call-arg]  # the protocol says nothing of constructors; the contract suite does
            SystemConfig(
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
        )
    except ValueError as error:
        raise ConfigError([f"systems.{table.name}.options: {error}"]) from None
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
    )
    return System(
        table=table,
        manifest=manifest,
        connector=connector,
        origin=origin_of(table),
        passage=passage,
        bulkhead=Bulkhead(table.title, table.concurrency),
        host=host,
        share=Share(table.share) if table.share else manifest.share,
        state=manifest.state,
        keepable=manifest.keepable,
    )


def _origins_of(names: list[str], config: Config) -> list[str]:
    tables = {table.name: table for table in config.systems}
    return [f"{config.scheme}://{config.host_of(tables[name])}" for name in names if name in tables]


def systems_of(config: Config) -> dict[str, System]:
    """Raises ConfigError with the problems of all systems."""
    problems: list[str] = []
    found: dict[str, System] = {}
    for table in config.systems:
        try:
            found[table.name] = system_of(table, config)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def seal_of(config: Config) -> Seal:
    """Raises ConfigError."""
    try:
        return Seal.of(config.keys.seal.read())
    except ValueError as error:
        raise ConfigError([f"keys.seal: {error}"]) from None


def journal_key(config: Config) -> bytes:
    """Raises ConfigError."""
    key = config.keys.journal.read()
    if len(key) < 32:
        raise ConfigError(["keys.journal: is shorter than 32 bytes: make one with `lanyard key new`"])
    return key


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


async def open_gateway(config: Config, *, now: Callable[[], float] = time.time) -> Running:
    """Open every room. Raises ConfigError, BundleError, StoreUnavailable, JournalUnavailable, JournalDamaged."""
    async with contextlib.AsyncExitStack() as stack:
        metrics, seal, systems = Metrics(), seal_of(config), systems_of(config)
        bundle = Bundle.load(config.policies.path)
        data_dir = _data_dir(config)
        journal = await _journal(config, data_dir, metrics, now, stack)
        store = SqliteStore(data_dir / "sessions.db", seal)
        stack.push_async_callback(store.close)
        sessions = Sessions(store, now, longest=config.shift.longest)
        stack.push_async_callback(lambda: sessions.flush(all_of_it=True))
        transport = Transport()
        await transport.start()
        stack.push_async_callback(transport.close)
        reach = {name: UpstreamTransport(transport, system.origin) for name, system in systems.items()}
        for name, system in systems.items():
            await _open(system, ConnectorTools(lambda name=name: client(reach[name]), seal, now))  # type: ignore[misc]  # default binds the loop's value
            stack.push_async_callback(system.connector.close)
        http = wire.client_for(config.sso.ca_file)
        stack.push_async_callback(http.aclose)
        provider = _provider(config, http, now)
        files = SealedFiles({t.name: t.credentials for t in config.systems if t.credentials}, seal)
        upstreams = UpstreamSessions(store, files, journal, lambda system: client(reach[system.name]), now)
        stack.push_async_callback(upstreams.keep)
        engine = CedarEngine(bundle, config.devices.mode)
        pipeline = Pipeline(engine, journal, transport, upstreams, (), now)
        surroundings = Surroundings(config)
        renderer = Renderer(https=config.scheme == "https", form_targets=_form_targets(config, systems))
        refusals = Refusals(renderer, config.gateway.public_url)
        doors = Doors(store, sessions, now, config.gateway.public_url, config.scheme)
        ending = _Ending(upstreams, systems)
        sign_on = SignOn(
            _sign_on_settings(config),
            provider,
            sessions,
            store,
            doors,
            journal,
            surroundings,
            renderer,
            refusals,
            metrics,
            now,
            ending,
        )
        launchpad = Launchpad(systems, engine, sessions, doors, sign_on, renderer, config.scheme, config.public_host)
        main = main_site(sign_on, launchpad, refusals, f"{config.scheme}://{config.public_host}")
        gateway = Gateway(
            main, pipeline, sessions, doors, journal, surroundings, refusals, renderer, metrics, sign_on, now
        )

        def rejected(source: str, reason: str) -> None:
            journal.reject(source, reason)
            metrics.rejected.labels(reason).inc()

        guard = Guard(gateway, sites_of(config, systems), config.scheme, rejected)
        search = SearchCopy(data_dir, journal_alarm(metrics, "search-copy"))
        stack.push_async_callback(asyncio.to_thread, search.close)
        stack.push_async_callback(ending.wait)
        stack.enter_context(_background(_every(1.0, sessions.flush), _every(1.0, upstreams.keep),
                                        _every(_SWEEP_EVERY, lambda: store.sweep(now()))))  # fmt: skip
        running = Running(config, guard, None, journal, rejected, contextlib.AsyncExitStack())
        running.ops = ops_app(metrics, engine, journal, store, running.draining)
        await _loaded(config, bundle, journal, sorted(systems), now())
        running.closing = stack.pop_all()
        return running


def _data_dir(config: Config) -> Path:
    path = Path(config.gateway.data_dir)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError([f"gateway.data_dir: `{path}` cannot be made: {error.strerror}"]) from None
    return path


def _sign_on_settings(config: Config) -> SignOnSettings:
    return SignOnSettings(
        config.gateway.public_url,
        config.public_host,
        tuple(config.sso.acr_values),
        tuple(config.sso.step_up_acr_values),
        config.sso.recheck,
        config.shift.grace,
    )


def _provider(config: Config, http: httpx2.AsyncClient, now: Callable[[], float]) -> OpenIdProvider:
    try:
        return OpenIdProvider(provider_settings(config.sso), http, now)
    except ValueError as error:
        raise ConfigError([f"sso: {error}"]) from None


async def _journal(
    config: Config, data_dir: Path, metrics: Metrics, now: Callable[[], float], stack: contextlib.AsyncExitStack
) -> Journal:
    key = journal_key(config)
    journal = Journal.open(
        data_dir,
        key,
        now=now,
        reserve=config.audit.reserve,
        segment=config.audit.segment,
        alarm=journal_alarm(metrics, "journal"),
    )
    stack.push_async_callback(journal.close)
    await journal.start()
    return journal


async def _loaded(config: Config, bundle: Bundle, journal: Journal, systems: list[str], at: float) -> None:
    """Say, in journal and log, what was taken and what is unsafe in it."""
    unsafe = [name for name in ("gateway.insecure_http", "sso.insecure_issuer") if _set(config, name)]
    loaded = {"hash": _hash(config), "insecure": unsafe, "systems": systems}
    await journal.record(AuditEvent(EventType.CONFIG_LOADED, at, loaded))
    await journal.record(
        AuditEvent(EventType.POLICY_LOADED, at, {"mode": config.devices.mode, "version": bundle.version})
    )
    for name in unsafe:
        logs.log().warning("an unsafe setting is on", setting=name)


def journal_alarm(metrics: Metrics, control: str) -> Callable[[str, str], None]:
    """Metrics and a log line, from whatever thread notices. Said before anything is refused."""

    def alarm(what: str, state: str) -> None:
        metrics.alarms.labels(what).set(0 if state == "ok" else 1)
        logs.log().warning("control", control=what, state=state)

    metrics.alarms.labels(control).set(0)
    return alarm


async def _open(system: System, tools: ConnectorTools) -> None:
    try:
        await system.connector.open(tools)
    except ValueError as error:
        raise ConfigError([f"systems.{system.name}.options: {error}"]) from None


class _Ending:
    """Log-offs at systems, behind the page that says that one is signed off."""

    def __init__(self, upstreams: UpstreamSessions, systems: dict[str, System]) -> None:
        self._upstreams = upstreams
        self._systems = systems
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, seat: Seat, whole_shift: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._upstreams.end(seat, self._systems, whole_shift=whole_shift))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def wait(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=5)


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


def _form_targets(config: Config, systems: dict[str, System]) -> tuple[str, ...]:
    """Where sign-on and sign-off lead by redirect: the provider, and every system's host."""
    provider = urlsplit(config.sso.issuer)
    hosts = {f"{config.scheme}://{system.host}" for system in systems.values()}
    return (
        f"{provider.scheme}://{provider.netloc}",
        *(f"https://{h}" for h in config.sso.endpoint_hosts),
        *sorted(hosts),
    )


@contextlib.contextmanager
def _background(*works: Awaitable[None]):  # type: ignore[no-untyped-def]  # a context manager of nothing
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreUnavailable as error:
            logs.log().error("the session store did not take a write", error=error)


def _set(config: Config, name: str) -> bool:
    table, _, key = name.partition(".")
    return bool(getattr(getattr(config, table), key))


def _hash(config: Config) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]


async def serve(config: Config) -> int:
    """Run until SIGTERM or SIGINT; 0 after an orderly end."""
    logs.configure()
    running = await open_gateway(config)
    now = time.time
    public = server(
        running.gateway,
        listen=config.gateway.listen,
        rejected=running.rejected,
        tls_cert=config.gateway.tls_cert,
        tls_key=config.gateway.tls_key,
        drain=config.gateway.drain,
    )
    ops = server(running.ops, listen=config.gateway.ops_listen, rejected=lambda source, reason: None, drain=1)
    async with running.closing:
        await running.journal.record(AuditEvent(EventType.GATEWAY_STARTED, now(), {"listen": config.gateway.listen}))
        logs.log().info(
            "listening",
            listen=config.gateway.listen,
            ops=config.gateway.ops_listen,
            public_url=config.gateway.public_url,
        )
        await _until_told(public, ops, running.draining)
        await running.journal.record(AuditEvent(EventType.GATEWAY_STOPPED, now(), {}))
    return 0


async def _until_told(public: LanyardServer, ops: LanyardServer, draining: asyncio.Event) -> None:
    """Serve both; on a signal say `not ready`, finish what runs, then stop."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        draining.set()
        public.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    both = [loop.create_task(public.serve_quietly()), loop.create_task(ops.serve_quietly())]
    done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    ops.should_exit = public.should_exit = True
    await asyncio.gather(*both)
    for task in done:
        task.result()
