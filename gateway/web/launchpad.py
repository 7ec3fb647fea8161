"""The launchpad: the systems that I may open, how honest we can be about each, and my shift."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.base import State
from policies.decision import Decision, Permit
from policies.engine import PolicyEngine
from policies.model import AccessRequest, Action, Context, Facts, Resource

from ..duties import SEE_DEVICES, Asking
from ..edge.origins import Bounce
from ..kept import KeptWrites
from ..launches import Launched, Opening
from ..sessions import Seat, Sessions
from ..systems import System
from ..vouching import Vouching
from .bodies import form_of
from .devices import DevicePages
from .downtime import Entry
from .paths import own_path
from .render import Renderer, clock
from .signoff import SignOff
from .signon import SignOn
from .visitors import Visitors

STATES = {
    State.BROKERED: "every look passes here and is written down",
    State.LINKED: "its own sign-on; we write down that you opened it",
    State.LAUNCH_ONLY: "you sign on there; we write down the click",
}


@dataclass(frozen=True, slots=True)
class Tile:
    title: str
    address: str
    state: str
    state_says: str
    helpdesk: str
    posts: bool = False  # its opening is written down by a form, since nothing of it passes here afterwards
    at_patient: str = ""  # where it is opened at a patient
    notice: str = ""  # what the operators have to say of it
    silent: bool = False  # it does not answer, and nobody asks it just now
    answered: str = ""  # when it last did


class Launchpad:
    def __init__(
        self,
        systems: dict[str, System],
        launches: dict[str, Launched],
        engine: PolicyEngine,
        visitors: Visitors,
        sessions: Sessions,
        sign_on: SignOn,
        sign_off: SignOff,
        kept: KeptWrites,
        renderer: Renderer,
        scheme: str,
        downtime: list[Entry],
        devices: DevicePages,
        vouching: Vouching,
        badges: bool,
        now: Callable[[], float],
    ) -> None:
        self._systems = systems
        self._launches = launches
        self._engine = engine
        self._visitors = visitors
        self._sessions = sessions
        self._sign_on = sign_on
        self._sign_off = sign_off
        self._kept = kept
        self._renderer = renderer
        self._scheme = scheme
        self._downtime = downtime
        self._devices = devices
        self._vouching = vouching
        self._badges = badges
        self._now = now

    async def home(self, request: Request) -> Response:
        return await self.seated(request, self._home)

    async def _home(self, request: Request, seat: Seat) -> Response:
        tiles = [self._tile(system) for system in self._systems.values() if self._within_reach(system, seat)]
        tiles += [_opens(one) for one in self._launches.values() if self.may(Opening(one.name), seat)]
        waiting = [
            {
                "title": one.title,
                "at": clock(one.at),
                "address": f"{self._scheme}://{one.host}/.lanyard/kept?id={one.id}",
            }
            for one in await self._kept.waiting(seat.shift.principal)
        ]
        devices = self.may(SEE_DEVICES, seat)
        return self._renderer.page("launchpad.html", tiles=tiles, waiting=waiting, devices=devices, **self.who(seat))

    async def downtime(self, request: Request) -> Response:
        """The way round, to be printed before it is needed."""

        async def show(request: Request, seat: Seat) -> Response:
            return self._renderer.page("downtime.html", entries=self._downtime, **self.who(seat))

        return await self.seated(request, show)

    async def shift(self, request: Request) -> Response:
        return await self.seated(request, self._shift)

    async def _shift(self, request: Request, seat: Seat) -> Response:
        sessions = [
            {
                "id": session.id,
                "here": session.id == seat.session.id,
                "device": session.device.name or session.device.device_class.value.capitalize(),
                "where": session.device.zone or "outside the hospital's network",
                "since": clock(session.created),
                "seen": clock(session.last_seen),
                "locked": self._sessions.locked(session),
                "systems": sorted(s.title for s in self._systems.values() if s.host in session.hosts),
            }
            for session in await self._sessions.of_shift(seat.shift)
        ]
        return self._renderer.page(
            "shift.html",
            sessions=sessions,
            pin=bool(seat.session.device.id),
            badges=self._badges,
            devices=await self._devices.of_shift(seat),
            vouches=isinstance(self._vouching.may(seat, freshly=True), Permit),
            **self.who(seat),
        )

    async def end_session(self, request: Request) -> Response:
        """POST: end another session of my shift."""

        async def end(request: Request, seat: Seat) -> Response:
            wanted = (await form_of(request)).get("session")
            for session in await self._sessions.of_shift(seat.shift):
                if session.id == wanted and session.id != seat.session.id:
                    await self._sign_off.end_one(Seat(session, seat.shift, ""), "ended-by-clinician")
            return self._renderer.redirect(Bounce("/shift"))

        return await self.seated(request, end)

    async def seated(self, request: Request, show: Callable[[Request, Seat], Awaitable[Response]]) -> Response:
        seat = await self._visitors.seat(request)
        if seat is None:
            if request.method != "GET":
                return self._renderer.problem(401, "no-session", "You are not signed on")
            back = own_path(request.scope["path"])
            return self._renderer.redirect(Bounce("/sign-on" if back == "/" else f"/sign-on?next={back}"))
        if (
            request.method == "GET"
            and (leave := await self._sign_on.due(request, seat, request.scope["path"])) is not None
        ):
            return leave
        self._sessions.touch(seat)
        return await show(request, seat)

    def may_open(self, system: System, seat: Seat) -> bool:
        """By the same engine as everything else: may this person enter the system's own pages?"""
        return isinstance(self._entering(system, seat), Permit)

    def _within_reach(self, system: System, seat: Seat) -> bool:
        """Or may they after a proof that its page will ask for?"""
        decision = self._entering(system, seat)
        return isinstance(decision, Permit) or decision.step_up is not None

    def _entering(self, system: System, seat: Seat) -> Decision:
        resource = Resource(system=system.name, kind="page", route="launchpad")
        context = Context(device=seat.session.device, offline=bool(seat.shift.emergency), keepable=system.keepable)
        access = AccessRequest(seat.principal(self._now()), Action.ENTER, resource, context)
        return self._engine.decide(access, Facts())

    def may(self, duty: Asking, seat: Seat) -> bool:
        """Whether a link is worth showing; whoever follows it is asked about anew."""
        decision = self._engine.decide(duty.asked(seat, self._now()), Facts())
        return isinstance(decision, Permit) or decision.step_up is not None

    def address(self, system: System) -> str:
        """The page that a system's tile opens."""
        prefix = f"/{system.name}" if system.table.mount == "path" else ""
        return f"{self._scheme}://{system.host}{prefix}{system.table.start}"

    def _tile(self, system: System) -> Tile:
        answered = system.heard.answered
        return Tile(
            system.title,
            self.address(system),
            system.state.value,
            STATES[system.state],
            system.table.helpdesk,
            notice=system.table.notice,
            silent=system.breaker.open,
            answered=clock(answered) if answered is not None else "",
        )

    def who(self, seat: Seat) -> dict[str, Any]:
        p = seat.shift.principal
        return {
            "name": p.name,
            "roles": ", ".join(sorted(role.replace("-", " ") for role in p.roles)),
            "ends": clock(seat.shift.ends),
            "away": seat.shift.provider_away,
            "emergency": bool(seat.shift.emergency),
            "longer": clock(until) if (until := self._sessions.longer(seat.shift)) else "",
        }


def _opens(one: Launched) -> Tile:
    address = f"/open/{one.name}"
    at_patient = address if one.connector.finds_patients() else ""
    return Tile(
        one.title,
        address,
        one.state.value,
        STATES[one.state],
        one.table.helpdesk,
        posts=True,
        at_patient=at_patient,
        notice=one.table.notice,
    )
