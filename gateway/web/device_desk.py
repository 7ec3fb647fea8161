"""Devices as the security team sees them: all that are known, one of them and what was opened on it, and what enforcing would refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.errors import BadRequest
from policies.model import PatientRef
from sso.device import Enrolment
from sso.session import new_token

from ..audit.looking import Looking
from ..audit.opened import became_of, opened_on, patients_of
from ..audit.search import Found, Place
from ..central.copy import arrivals, reach
from ..device_list import Sought, listed
from ..devices import Devices, State
from ..duties import READ_ACTIVITY, SEE_DEVICES
from ..edge.origins import Bounce
from ..errors import SearchUnavailable
from ..observing import would_refuse
from ..sessions import Seat, Sessions
from ..stores.base import Store
from ..systems import System
from .bodies import form_of
from .launchpad import Launchpad
from .refusals import Refusals
from .render import Renderer, when
from .security import Admitted, Security

_SEARCH, _SEARCH_LIFE = "device-search", 3600.0  # seconds
_LONGEST = 80  # characters of what is looked for
_PAGE = re.compile(r"[0-9]{1,5}")
_DAY = 86_400.0
_DAYS = (1, 7, 30, 365)
_AT_ONCE = 50  # accesses on a page
_NAMED = 10  # patients of one access; a list of a ward names many
_HISTORY = 50
_REPORTED = 200
_BEHIND = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?),([a-z0-9-]{1,32}),([0-9]{1,9}),([0-9]{1,15})")
_BEFORE = 20  # entries that one took the place of, one after another

DONE = {
    "approved": "Approved. It counts from its owner’s next sign-on.",
    "named": "Changed. Sessions that are open go on under the old name.",
    "revoked": "Out of use. Its sessions have ended, and nobody signs on at it any more.",
}
BECAME = {
    "device.enrolled": "enrolled",
    "device.approved": "approved",
    "device.changed": "changed",
    "device.revoked": "taken out of use",
}


class DeviceDesk:
    def __init__(
        self,
        security: Security,
        launchpad: Launchpad,
        devices: Devices,
        store: Store,
        sessions: Sessions,
        looking: Looking,
        systems: dict[str, System],
        refusals: Refusals,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._security = security
        self._launchpad = launchpad
        self._devices = devices
        self._store = store
        self._sessions = sessions
        self._looking = looking
        self._systems = systems
        self._refusals = refusals
        self._renderer = renderer
        self._now = now

    # All

    async def all(self, request: Request) -> Response:
        return await self._security.page(request, SEE_DEVICES, self._all)

    async def _all(self, request: Request, admitted: Admitted) -> Response:
        if request.method == "POST":
            return await self._look_for(await form_of(request))
        find, page = request.query_params.get("find", ""), request.query_params.get("page", "")
        kept = await self._store.read_code(_SEARCH, find, self._now()) if 0 < len(find) < 64 else None
        sought = Sought(**json.loads(kept)) if kept else Sought()
        found = listed(await self._store.devices(), sought, int(page) if _PAGE.fullmatch(page) else 1)
        here = admitted.seat.session.device.id
        rows = [{**self.row(e), "here": e.id == here} for e in found.shown]
        return self._page(
            "security_devices.html", admitted, rows=rows, found=found, sought=sought, find=find if kept else "",
            states=[*State],
        )  # fmt: skip

    async def _look_for(self, form: dict[str, str]) -> Response:
        """Names of people and wards stay out of addresses: what is looked for is kept, and the address names it by a number."""
        sought = Sought(*(form.get(name, "").strip()[:_LONGEST] for name in ("text", "ward", "state")))
        if sought == Sought():
            return self._renderer.redirect(Bounce("/security/devices"))
        token = new_token()
        await self._store.put_code(_SEARCH, token, json.dumps(asdict(sought)).encode(), self._now() + _SEARCH_LIFE)
        return self._renderer.redirect(Bounce(f"/security/devices?find={token}"))

    # One

    async def one(self, request: Request) -> Response:
        return await self._security.page(request, SEE_DEVICES.at("device"), self._one)

    async def _one(self, request: Request, admitted: Admitted) -> Response:
        enrolment = await self.asked_for(request)
        if enrolment is None:
            return self.unknown(request)
        sessions = [self._session(seat) for seat in await self._devices.seats_on(enrolment.id)]
        question = {"device": enrolment.id, "history": True}
        try:
            found = await self._looking.look(
                question, admitted.looks, lambda copy: became_of(copy, [enrolment.id], _HISTORY)
            )
            history = [_event(event) for event in found]
        except SearchUnavailable:  # what is stolen is taken out of use all the same
            history = None
        return self._page(
            "security_device.html",
            admitted,
            device=self.row(enrolment),
            here=enrolment.id == admitted.seat.session.device.id,
            sessions=sessions,
            history=history,
            activity=self._launchpad.may(READ_ACTIVITY, admitted.seat),
            done=DONE.get(request.query_params.get("done", ""), ""),
        )

    def _session(self, seat: Seat) -> dict[str, Any]:
        session = seat.session
        return {
            "who": seat.shift.principal.name,
            "since": when(session.created),
            "seen": when(session.last_seen),
            "locked": self._sessions.locked(session),
            "systems": sorted(s.title for s in self._systems.values() if s.host in session.hosts),
        }

    # What was opened on it

    async def opened(self, request: Request) -> Response:
        return await self._security.page(request, READ_ACTIVITY, self._opened)

    async def _opened(self, request: Request, admitted: Admitted) -> Response:
        enrolment = await self.asked_for(request)
        if enrolment is None:
            return self.unknown(request)
        days, behind = _days(request), _behind(request.query_params.get("behind", ""))
        ids = [enrolment.id, *await self._before(enrolment)]
        since = self._now() - days * _DAY
        found, named, reaches = await self._looking.look(
            {"device": enrolment.id, "days": days, **({"until": behind[0]} if behind else {})},
            admitted.looks,
            lambda copy: (
                page := opened_on(copy, ids, since=since, limit=_AT_ONCE + 1, behind=behind),
                patients_of(copy, page[:_AT_ONCE]),
                reach(arrivals(copy), when),
            ),
        )
        shown = found[:_AT_ONCE]
        rows = [self._access(event, named.get(event.fields.get("request", ""), [])) for event in shown]
        await admitted.released(frozenset(PatientRef(*ref) for row in rows for ref in row["refs"]))
        further = ",".join(map(str, shown[-1].place)) if len(found) > _AT_ONCE else ""
        return self._page(
            "security_opened.html", admitted, device=self.row(enrolment), rows=rows, days=days, choices=_DAYS,
            further=further, behind=bool(behind), before=len(ids) - 1, reach=reaches,
        )  # fmt: skip

    async def _before(self, enrolment: Enrolment) -> list[str]:
        """The entries whose place it took."""
        ids: list[str] = []
        while enrolment.replaces and enrolment.replaces not in ids and len(ids) < _BEFORE:
            ids.append(enrolment.replaces)
            if (kept := await self._store.device(enrolment.replaces)) is None:
                break
            enrolment = kept
        return ids

    def _access(self, event: Found, named: list[tuple[str, str]]) -> dict[str, Any]:
        f, system = event.fields, self._systems.get(event.fields.get("system", ""))
        return {
            "at": when(event.at),
            "who": f.get("name") or f.get("subject", ""),
            "system": system.title if system else f.get("system", ""),
            "did": " ".join(str(f[k]) for k in ("action", "kind") if f.get(k)).replace("_", " "),
            "refs": named[:_NAMED],
            "more": max(0, len(named) - _NAMED),
        }

    # What enforcing would refuse

    async def report(self, request: Request) -> Response:
        return await self._security.page(request, READ_ACTIVITY.at("device-report"), self._report)

    async def _report(self, request: Request, admitted: Admitted) -> Response:
        days = _days(request)
        since = self._now() - days * _DAY
        found, reaches = await self._looking.look(
            {"observed": True, "days": days},
            admitted.looks,
            lambda copy: (would_refuse(copy, since), reach(arrivals(copy), when)),
        )
        titles = {system.name: system.title for system in self._systems.values()}
        rows = [(reason, titles.get(name, name), *rest) for reason, name, *rest in found[:_REPORTED]]
        return self._page(
            "security_report.html", admitted, rows=rows, more=len(found) - len(rows), days=days, choices=_DAYS[:3],
            looks=sum(row[4] for row in found), reach=reaches,
        )  # fmt: skip

    # For all of these, and for the pages that change something

    async def asked_for(self, request: Request) -> Enrolment | None:
        device_id = request.path_params["device"]
        return await self._store.device(device_id) if re.fullmatch(r"[0-9a-f]{32}", device_id) else None

    def unknown(self, request: Request) -> Response:
        return self._refusals.not_found(request.method, tuple(request.scope["headers"]))

    def row(self, e: Enrolment) -> dict[str, Any]:
        """What the store says of a device, in words."""
        return {
            "id": e.id,
            "name": e.name,
            "ward": e.ward,
            "device_class": e.device_class.value if e.device_class else "",
            "ownership": e.ownership.value,
            "owner": e.owner[1] if e.owner else "",
            "managed": e.managed,
            "state": State.of(e).value,
            "proof": "client certificate" if e.certificate else "key",
            "by_link": e.by_link,
            "created": when(e.created),
            "proved": when(e.last_proved) if e.last_proved else "",
            "revoked": when(e.revoked) if e.revoked else "",
            "replaces": e.replaces,
        }

    def _page(self, template: str, admitted: Admitted, **words: Any) -> Response:
        return self._renderer.page(template, **words, **self._launchpad.who(admitted.seat))


def _event(event: Found) -> dict[str, str]:
    f = event.fields
    was = f.get("was", {})
    said = [str(f[key]) for key in ("reason", "note") if f.get(key)]
    if was:
        said.append(f"was {was.get('device_name', '')}, {was.get('ward') or 'no ward'}")
    by = f"{f['name']} ({f.get('by', '')})" if f.get("name") else str(f.get("by", ""))
    return {"at": when(event.at), "what": BECAME[event.type], "by": by, "more": "; ".join(said)}


def _days(request: Request) -> int:
    days = request.query_params.get("days", "")
    return int(days) if days in map(str, _DAYS) else 7


def _behind(text: str) -> Place | None:
    """Raises BadRequest for what no page of ours has written."""
    if not text:
        return None
    if not (found := _BEHIND.fullmatch(text)):
        raise BadRequest("the address names no place in the journal")
    at, writer, epoch, seq = found.groups()
    return float(at), writer, int(epoch), int(seq)
