"""Everything that people see, wired: the part of the composition root that stands between a browser and the rooms."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette

from policies.engine import PolicyEngine
from sso.provider import IdentityProvider
from sso.seal import Seal
from sso.word import Word

from .assembly import form_targets, system_origins
from .audit.event import EventType
from .audit.journal import Journal
from .audit.looking import Looking
from .badges import Badges
from .central.connection import central_of
from .central.copy import asked_copy
from .config import Config
from .context import Surroundings
from .credentials import SealedFiles
from .devices import devices_of
from .edge.origins import Doors
from .emergency import Emergency, LoginNames, Numbers, Tapped
from .installation import data_dir_of
from .kept import KeptWrites
from .launches import Launched
from .leases import Leases
from .locks import Locks
from .metrics import Metrics
from .presence import Presence
from .session_events import shift_event
from .sessions import Seat, Sessions
from .step_up import StepUps
from .stores.base import Store
from .systems import System
from .upstreams import UpstreamSessions
from .vault import Vault
from .vouching import Vouching
from .web.app import main_site
from .web.badge import BadgePages
from .web.device_changes import DeviceChanges
from .web.device_desk import DeviceDesk
from .web.devices import DevicePages
from .web.downtime import entries
from .web.emergency import EmergencyPages
from .web.entering import Entering
from .web.guard import GuardPages
from .web.handoff import HandOff
from .web.kept import Kept
from .web.launch import LaunchPages
from .web.launchpad import Launchpad
from .web.leaving import Leaving
from .web.passkey import Passkeys
from .web.public_keys import PublicKeys
from .web.refusals import Refusals
from .web.refused import Refused
from .web.render import Renderer
from .web.seating import Seating
from .web.security import Security
from .web.signoff import SignOff
from .web.signon import SignOn, SignOnSettings
from .web.step_up import AcrValues, StepUpPages
from .web.switching import Switching
from .web.unlock import Unlock
from .web.vault import VaultPages
from .web.visitors import Visitors
from .web.vouch import VouchPages


@dataclass(frozen=True, slots=True)
class Rooms:
    """What pages are made of."""

    config: Config
    systems: dict[str, System]
    launches: dict[str, Launched]
    engine: PolicyEngine
    journal: Journal
    metrics: Metrics
    seal: Seal
    store: Store
    sessions: Sessions
    provider: IdentityProvider
    presence: Presence
    files: SealedFiles
    vault: Vault
    upstreams: UpstreamSessions
    end_upstreams: Callable[[Seat, bool], None]  # log off at systems, behind the page
    word: Word
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pages:
    """What the gateway asks of them."""

    main: Starlette
    renderer: Renderer
    refusals: Refusals
    surroundings: Surroundings
    doors: Doors
    locks: Locks
    sign_on: SignOn
    kept: Kept
    refused: Refused
    guard: GuardPages
    vault: VaultPages


def pages_of(r: Rooms, stack: contextlib.AsyncExitStack) -> Pages:
    leases = Leases(r.store, shared=True)
    config, now, url, host = r.config, r.now, r.config.gateway.public_url, r.config.public_host
    public = f"{config.scheme}://{host}"
    surroundings = Surroundings(config)
    renderer = Renderer(
        https=config.scheme == "https", public_origin=public, form_targets=form_targets(config, r.systems, r.launches)
    )
    refusals = Refusals(renderer, url)
    doors = Doors(r.store, r.sessions, now, url, config.scheme)
    sign_off = SignOff(
        url, host, r.provider, r.presence, r.sessions, r.store, doors, r.journal, renderer, now, r.end_upstreams
    )
    r.sessions.lengthened = lambda shift: r.journal.note(
        shift_event(EventType.SHIFT_RENEWED, now(), shift, ends=shift.ends)
    )
    locks = Locks(r.sessions, r.store, r.journal, now, sign_off.end_one)
    stack.callback(locks.close)
    switching = Switching(url, locks, doors)
    devices = devices_of(config, r.store, r.sessions, r.journal, r.seal, surroundings, now)
    visitors = Visitors(r.sessions, locks, surroundings, devices, host)
    device_pages = DevicePages(devices, visitors, sign_off, r.journal, renderer)
    seating = Seating(host, visitors, r.sessions, r.journal, renderer, r.metrics, now, sign_off, locks, switching)
    leaving = Leaving(url, r.provider, r.store, visitors, renderer, now)
    steps = StepUps(r.store, r.sessions, r.journal, now, config.shift.step_up)
    acr_values = AcrValues(tuple(config.sso.acr_values), tuple(config.sso.step_up_acr_values))
    step_up = StepUpPages(acr_values, steps, visitors, r.sessions, locks, leaving, renderer)
    badges = Badges(r.store, r.seal, r.journal, config.badges, now)
    vouching = Vouching(r.engine, r.store, r.journal, now)
    emergency = Emergency(
        config.emergency, r.store, r.sessions, locks, vouching, r.presence, r.journal, r.metrics, now,
        (Numbers(r.store, vouching), LoginNames(r.store), *((Tapped(r.store, badges),) if config.badges.enabled else ())),
    )  # fmt: skip
    sign_on = SignOn(
        SignOnSettings(acr_values.usual, config.sso.recheck, config.shift.grace, config.badges.enabled), r.provider,
        r.sessions, r.store, r.journal, visitors, renderer, r.metrics, now, sign_off, seating, r.presence, emergency,
        leaving, step_up, leases,
    )  # fmt: skip
    writes = KeptWrites(r.store, leases, now)
    launchpad = Launchpad(
        r.systems, r.launches, r.engine, visitors, r.sessions, sign_on, sign_off, writes, renderer, config.scheme,
        entries(config), device_pages, vouching, config.badges.enabled, now,
    )  # fmt: skip
    entering = Entering(visitors, doors, sign_on, refusals, renderer, system_origins(config, r.systems))
    hand_off = HandOff(
        url, visitors, r.sessions, r.store, seating, r.journal, renderer, now, locks,
        sign_on, step_up,
    )  # fmt: skip
    unlock = Unlock(visitors, r.sessions, locks, switching, sign_on, refusals, renderer, badges=config.badges.enabled)
    badge_pages = BadgePages(
        host, badges, visitors, r.sessions, locks, switching, sign_on, r.store, r.journal, renderer, now
    )
    passkeys = Passkeys(url, visitors, locks, step_up, r.store, renderer, now)
    emergency_pages = EmergencyPages(
        url, host, emergency, r.presence, visitors, switching, r.seal, r.store, r.journal, renderer, now,
        badges=config.badges.enabled,
    )  # fmt: skip
    vouch_pages = VouchPages(vouching, r.store, visitors, r.sessions, locks, step_up, renderer, now)
    vault = VaultPages(
        r.systems, r.vault, r.files, r.upstreams, r.store, r.journal, launchpad, refusals, renderer, now, public
    )
    kept = Kept(writes, r.store, r.upstreams, r.journal, doors, renderer, url, now)
    security = Security(launchpad, visitors, r.engine, r.journal, steps, refusals, now)
    central = central_of(config)
    looking = Looking(data_dir_of(config), r.journal, now, lambda data_dir: asked_copy(data_dir, central))
    desk = DeviceDesk(security, launchpad, devices, r.store, r.sessions, looking, r.systems, refusals, renderer, now)
    changes = DeviceChanges(url, security, desk, launchpad, devices, r.store, sign_off, renderer, now)
    return Pages(
        main_site(
            sign_on,
            sign_off,
            launchpad,
            entering,
            hand_off,
            unlock,
            vault,
            device_pages,
            passkeys,
            emergency_pages,
            vouch_pages,
            step_up,
            desk,
            changes,
            refusals,
            public,
            badge_pages if config.badges.enabled else None,
            PublicKeys(r.provider, r.word),
            LaunchPages(r.launches, security, launchpad, r.store, refusals, renderer, now),
        ),
        renderer,
        refusals,
        surroundings,
        doors,
        locks,
        sign_on,
        kept,
        Refused(url, steps, doors, kept, refusals),
        GuardPages(r.sessions, locks, renderer, now),
        vault,
    )
