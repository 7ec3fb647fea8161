"""The composition root: wires the rooms together, and runs them. It decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from connectors.base import ConnectorTools
from policies.bundle import Bundle
from policies.engine import CedarEngine
from sso import wire
from sso.errors import StoreUnavailable
from sso.oidc import OpenIdProvider

from . import certificates, logs
from .alarms.controls import CONTROLS
from .alarms.standing import Standing
from .assembly import launches_of, provider_settings, sites_of, systems_of
from .audit.event import AuditEvent, EventType
from .audit.journal import Alarm, Journal
from .audit.search import SearchCopy
from .central.connection import central_of
from .central.ship import Shipper
from .clock import SteadyClock
from .company import Company
from .config import Config
from .credentials import InOrder, SealedFiles, personal
from .crew.post import Post
from .edge.guard import Guard
from .errors import ConfigError
from .gateway import Gateway
from .installation import data_dir_of
from .keys import journal_key, seal_of, vault_seal_of, word_of
from .metrics import Metrics
from .ops import Readings
from .pages import Rooms, pages_of
from .pipeline import Pipeline
from .presence import Presence
from .proxy.client import UpstreamTransport, client
from .proxy.upstream import Transport
from .sessions import Seat, Sessions
from .stores.base import Store
from .stores.opening import open_store
from .systems import System
from .upstreams import UpstreamSessions
from .vault import OperatorKeys, Vault

_SWEEP_EVERY, _IDLE_EVERY, _PROVIDER_EVERY, _CERTIFICATES_EVERY = 300.0, 30.0, 10.0, 3600.0  # seconds


@dataclass(slots=True)
class Running:
    """Everything that is open, in the order of its opening."""

    config: Config
    gateway: Guard
    readings: Readings
    journal: Journal
    rejected: Callable[[str, str], None]
    company: Company
    closing: contextlib.AsyncExitStack


async def open_gateway(config: Config, *, post: Post = Post(), now: Callable[[], float] = time.time) -> Running:
    """Open every room. Raises ConfigError, BundleError, StoreUnavailable, JournalUnavailable, JournalDamaged.

    `post`: which of how many workers this is. `now` gives the wall clock's seconds since the epoch.
    """
    clock = now = SteadyClock(now)
    async with contextlib.AsyncExitStack() as stack:
        metrics, seal, word, systems = Metrics(), seal_of(config), word_of(config, now), systems_of(config, post.of)
        bundle = post.bundle or Bundle.load(config.policies.path)
        data_dir = data_dir_of(config)
        shipper = _shipper(config, post, data_dir, clock, stack)
        standing = Standing(post.writer(config.gateway.name), now)
        journal = await _journal(config, post, data_dir, journal_alarm(metrics, standing.say), clock, stack)
        store = open_store(config, seal, journal.alarm, beside=post.of > 1 or post.joins)
        stack.push_async_callback(store.close)
        await store.begin()
        if shipper is not None:  # the store has made its tables
            shipper.start(journal.alarm)
            journal.confirming = shipper if _waits(config) else None
        sessions = Sessions(
            store, now, longest=config.shift.longest, extended=config.shift.extended, locked=config.shift.locked
        )
        stack.push_async_callback(lambda: sessions.flush(all_of_it=True))
        transport = Transport()
        await transport.start()
        stack.push_async_callback(transport.close)
        reach = {name: UpstreamTransport(transport, system.origin) for name, system in systems.items()}
        for name, system in systems.items():
            await _open(system, ConnectorTools(lambda name=name: client(reach[name]), seal, now, word))  # type: ignore[misc]  # default binds the loop's value
            stack.push_async_callback(system.connector.close)
        http = _http(config)
        stack.push_async_callback(http.aclose)
        provider = _provider(config, http, now)
        presence = Presence(provider.look, now, journal.alarm)
        files = SealedFiles(
            {t.name: t.credentials for t in config.systems if t.credentials}, seal, personal(systems.values())
        )
        vault = Vault(store, OperatorKeys(vault_seal_of(config)), now)
        upstreams = UpstreamSessions(
            store,
            InOrder(vault, files),
            journal,
            lambda system: client(reach[system.name]),
            now,
            sessions.seat_of,
            lambda system, outcome: metrics.log_ons.labels(system, outcome).inc(),
            vault.tried,
            believed_seat=sessions.believed_seat,
        )
        stack.push_async_callback(upstreams.keep)
        engine = CedarEngine(bundle, config.devices.mode)
        pipeline = Pipeline(engine, journal, transport, upstreams, (), now, sessions.anew)
        ending = _Ending(upstreams, systems)
        pages = pages_of(
            Rooms(config, systems, launches_of(config), engine, journal, metrics, seal, store, sessions, provider, presence, files, vault,
                  upstreams, ending, word, now),
            stack,
        )  # fmt: skip
        for name, system in systems.items():
            if (page_guard := system.passage.guard) is not None:
                page_guard.left_alone = metrics.left_alone(name)
        gateway = Gateway(pages, pipeline, sessions, journal, metrics, now)

        def rejected(source: str, reason: str) -> None:
            journal.reject(source, reason)
            metrics.rejected.labels(reason).inc()

        guard = Guard(gateway, sites_of(config, systems), config.scheme, rejected)
        stack.push_async_callback(ending.wait)
        stack.enter_context(_background(_every(1.0, clock.look), _every(1.0, sessions.flush), _every(1.0, upstreams.keep),
                                        _every(1.0, store.watch),
                                        _every(_IDLE_EVERY, pages.locks.notice),
                                        _every(_PROVIDER_EVERY, presence.watch),
                                        _every(_SWEEP_EVERY, lambda: upstreams.sweep(systems))))  # fmt: skip
        if post.first:
            _chores(config, data_dir if shipper is None else None, journal, store, vault, now, stack)
        readings = Readings(metrics, engine, journal, store, standing.by, systems, standing, shipper)
        running = Running(
            config,
            guard,
            readings,
            journal,
            rejected,
            Company(store, sessions, upstreams, always=max(post.of, config.gateway.workers) > 1),
            contextlib.AsyncExitStack(),
        )
        await _loaded(config, bundle, journal, sorted(systems), now())
        running.closing = stack.pop_all()
        return running


def _chores(
    config: Config,
    searched: Path | None,
    journal: Journal,
    store: Store,
    vault: Vault,
    now: Callable[[], float],
    stack: contextlib.AsyncExitStack,
) -> None:
    """What one worker does for all of them. `searched`: where a copy for questions is kept; None where the central journal is asked."""
    if searched is not None:
        search = SearchCopy(searched, journal.alarm)
        stack.push_async_callback(asyncio.to_thread, search.close)
    stack.enter_context(
        _background(
            _every(_SWEEP_EVERY, lambda: store.sweep(now())), _rewrapping(vault), _certificates(config, journal, now)
        )
    )


def _provider(config: Config, http: httpx2.AsyncClient, now: Callable[[], float]) -> OpenIdProvider:
    try:
        return OpenIdProvider(provider_settings(config.sso), http, now)
    except ValueError as error:
        raise ConfigError([f"sso: {error}"]) from None


def _http(config: Config) -> httpx2.AsyncClient:
    try:
        return wire.client_for(config.sso.ca_file)
    except OSError as error:
        raise ConfigError([f"sso.ca_file: `{config.sso.ca_file}` cannot be read: {error.strerror or error}"]) from None


def _shipper(
    config: Config, post: Post, data_dir: Path, clock: SteadyClock, stack: contextlib.AsyncExitStack
) -> Shipper | None:
    """Where there is a central journal. Closed after this journal is, so that its last records are sent too.

    The first worker's sends everybody's; where events are waited for, each worker sends its own.
    """
    central, own = central_of(config), post.writer(config.gateway.name)
    if central is None or not (post.first or _waits(config)):
        return None
    beside = post.beside(config.gateway.name)
    others = beside if _waits(config) else frozenset()
    mine = (lambda folder: folder not in others) if post.first else (lambda folder: folder == own)
    shipper = Shipper(data_dir, central, config.gateway.name, own=own, mine=mine, beside=beside, now=clock)
    stack.push_async_callback(asyncio.to_thread, shipper.close)
    return shipper


def _waits(config: Config) -> bool:
    return config.audit.ack == "local+central"


async def _journal(
    config: Config, post: Post, data_dir: Path, alarm: Alarm, clock: SteadyClock, stack: contextlib.AsyncExitStack
) -> Journal:
    key = journal_key(config)
    journal = Journal.open(
        data_dir,
        key,
        now=clock,
        name=post.writer(config.gateway.name),
        reserve=post.share(config.audit.reserve),
        segment=config.audit.segment,
        alarm=alarm,
    )
    stack.push_async_callback(journal.close)
    await journal.start()
    clock.alarm = journal.alarm
    return journal


async def _loaded(config: Config, bundle: Bundle, journal: Journal, systems: list[str], at: float) -> None:
    """Say, in journal and log, what was taken and what is unsafe in it."""
    unsafe = [name for name in ("gateway.insecure_http", "sso.insecure_issuer") if _set(config, name)]
    unsafe += [f"systems.{s.name}.insecure_shared_credentials" for s in config.systems if s.insecure_shared_credentials]
    loaded = {"hash": _hash(config), "insecure": unsafe, "systems": systems}
    await journal.record(AuditEvent(EventType.CONFIG_LOADED, at, loaded))
    await journal.record(
        AuditEvent(EventType.POLICY_LOADED, at, {"mode": config.devices.mode, "version": bundle.version})
    )
    for name in unsafe:
        logs.log().warning("an unsafe setting is on", setting=name)


def journal_alarm(metrics: Metrics, *hears: Alarm) -> Alarm:
    """Metrics, a log line and whoever else hears, from whatever thread notices. Said before anything is refused."""

    def alarm(what: str, state: str) -> None:
        metrics.alarms.labels(what).set(0 if state == "ok" else 1)
        logs.log().warning("control", control=what, state=state)
        for hear in hears:
            hear(what, state)

    for control in CONTROLS:
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


async def _certificates(config: Config, journal: Journal, now: Callable[[], float]) -> None:
    """At the start and each hour: whether one ends soon."""
    known = "ok"
    while True:
        word = await asyncio.to_thread(certificates.state, config, now())
        if word != known:
            journal.alarm(certificates.CONTROL, word)
        known = word
        await asyncio.sleep(_CERTIFICATES_EVERY)


async def _rewrapping(vault: Vault) -> None:
    """At the start, since a new key comes with a restart, and again for what a gateway that still had the old one has kept."""
    while True:
        try:
            if done := await vault.rewrap():
                logs.log().info("data keys of the vault were wrapped again", count=done)
        except StoreUnavailable as error:
            logs.log().error("data keys of the vault could not be wrapped again", error=error)
        await asyncio.sleep(_SWEEP_EVERY)


def _set(config: Config, name: str) -> bool:
    table, _, key = name.partition(".")
    return bool(getattr(getattr(config, table), key))


def _hash(config: Config) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]
