"""`lanyard device`: which devices are known, how one becomes known, and its end. Works beside a running gateway."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from policies.model import Ownership
from sso.device import Certificate, Enrolment, Invitation
from sso.errors import DeviceRefused

from . import config as configuration
from .audit.event import EventType
from .audit.opened import opened_on
from .audit.search import Found
from .auditing import instant, journal_own, operator, own_journal, print_found, print_limits
from .central.connection import central_of
from .central.copy import asked_copy
from .config import Config
from .context import Surroundings
from .device_list import Sought
from .devices import Actor, Devices, State, devices_of, link
from .errors import ConfigError
from .installation import opened_store
from .keys import journal_key, seal_of
from .sessions import Sessions
from .stores.base import Store

T = TypeVar("T")
_SHOWN = 12  # characters of an id, which are enough to name a device
_LISTED = 100  # of what was opened


def device_list(given: argparse.Namespace) -> int:
    config = configuration.load(given.config)
    sought = Sought(given.find, given.ward, given.state)
    found = [enrolment for enrolment in asyncio.run(_all(config)) if sought.fits(enrolment)]
    if given.json:
        for enrolment in found:
            print(json.dumps(_values(enrolment)))
    elif not found:
        print("no device is like that" if sought != Sought() else "no device is enrolled")
    else:
        _print_devices(found)
    return 0


def device_enrol(given: argparse.Namespace) -> int:
    """A one-time link; or at once, for a device that shows a client certificate."""
    try:
        ownership = Ownership(given.ownership)
        invitation = Invitation.named(given.name, given.ward, ownership, managed=given.managed, by=operator())
        if given.certificate_issuer or given.certificate_subject:
            certificate = Certificate.named(given.certificate_issuer, given.certificate_subject)
            made = _run(given, lambda _, devices: devices.enrol_certificate(invitation, certificate))
            print(f"{made.id[:_SHOWN]}: `{made.name}` is enrolled by its certificate")
            return 0
    except DeviceRefused as refused:
        raise ConfigError([str(refused)]) from None
    token = _run(given, lambda _, devices: devices.invite(invitation))
    print(link(configuration.load(given.config).gateway.public_url, token))
    print(f"open this once, within 15 minutes, in the browser of `{invitation.name}`")
    return 0


def device_approve(given: argparse.Namespace) -> int:
    async def approve(store: Store, devices: Devices) -> str:
        enrolment = await _named(store, given.id)
        if enrolment.revoked is not None:
            raise ConfigError([f"`{enrolment.name}` was taken out of use: it has to be enrolled again"])
        if not await devices.approve(enrolment.id, Actor(operator())):
            return f"{enrolment.id[:_SHOWN]}: `{enrolment.name}` is in use already"
        return f"{enrolment.id[:_SHOWN]}: `{enrolment.name}` is approved; it counts from the next sign-on"

    print(_run(given, approve))
    return 0


def device_revoke(given: argparse.Namespace) -> int:
    """Out of use within a second, and what was opened on it. The look at the journal is journalled too."""

    async def revoke(store: Store, devices: Devices) -> tuple[Enrolment, int]:
        enrolment = await _named(store, given.id)
        return enrolment, len(await devices.revoke(enrolment.id, Actor(operator())) or ())

    enrolment, ended = _run(given, revoke)
    if enrolment.revoked is not None:
        print(
            f"{enrolment.id[:_SHOWN]}: `{enrolment.name}` was taken out of use at {instant(enrolment.revoked)} already"
        )
    else:
        print(f"{enrolment.id[:_SHOWN]}: `{enrolment.name}` is out of use; sessions ended: {ended}")
    found, more = _opened_on(configuration.load(given.config), enrolment.id)
    if not found:
        print("nothing was opened on it")
        return 0
    print(f"opened on it, newest first{f' (the last {_LISTED})' if more else ''}:")
    print_found(found)
    return 0


async def _all(config: Config) -> list[Enrolment]:
    async with opened_store(config) as store:
        return await store.devices()


def _run(given: argparse.Namespace, work: Callable[[Store, Devices], Awaitable[T]]) -> T:
    """With the installation's store, and a journal of the command line's own."""
    config = configuration.load(given.config)

    async def run() -> T:
        async with opened_store(config) as store:
            journal = own_journal(Path(config.gateway.data_dir), journal_key(config))
            try:
                sessions = Sessions(store, time.time, longest=config.shift.longest)
                surroundings = Surroundings(config)
                return await work(
                    store, devices_of(config, store, sessions, journal, seal_of(config), surroundings, time.time)
                )
            finally:
                await journal.close()

    return asyncio.run(run())


async def _named(store: Store, beginning: str) -> Enrolment:
    """The one device whose id begins so. Raises ConfigError for none and for several."""
    found = [one for one in await store.devices() if len(beginning) >= 4 and one.id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    what = "no device's id begins" if not found else "several devices' ids begin"
    raise ConfigError([f"{what} with `{beginning}`: give as `lanyard device list` shows it"])


def _opened_on(config: Config, device_id: str) -> tuple[list[Found], bool]:
    """Accesses in the sessions that were seated on the device, newest first, and whether there are more."""
    data_dir = Path(config.gateway.data_dir)

    asked: dict[str, object] = {"question": {"device": device_id}, "user": operator()}
    journal_own(data_dir, journal_key(config), EventType.AUDIT_READ, asked)
    with asked_copy(data_dir, central_of(config)) as copy:
        found = opened_on(copy, [device_id], since=0.0, limit=_LISTED + 1)
        print_limits(copy)
    return found[:_LISTED], len(found) > _LISTED


def _values(e: Enrolment) -> dict[str, object]:
    return {
        "id": e.id,
        "name": e.name,
        "ward": e.ward,
        "ownership": e.ownership.value,
        "managed": e.managed,
        "state": State.of(e).value,
        "proof": "certificate" if e.certificate else "key",
        "certificate": [e.certificate.issuer, e.certificate.subject] if e.certificate else None,
        "owner": list(e.owner) if e.owner else None,
        "created": e.created,
        "last_proved": e.last_proved,
        "revoked": e.revoked,
    }


def _print_devices(found: list[Enrolment]) -> None:
    table = Table("id", "name", "ward", "whose", "state", "by", "last proved", box=None, pad_edge=False)
    for e in found:
        whose = e.ownership.value + (f" ({e.owner[1]})" if e.owner else "") + (", managed" if e.managed else "")
        proved = instant(e.last_proved) if e.last_proved else "never"
        table.add_row(
            e.id[:_SHOWN], e.name, e.ward, whose, State.of(e), "certificate" if e.certificate else "key", proved
        )
    Console().print(table)
