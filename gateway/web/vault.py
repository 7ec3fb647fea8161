"""The vault's pages: a system's own log-on asked for once, proved there, kept; and what is kept, replaced and forgotten.

Whatever is typed goes to the system and into the vault, and nowhere else: never back into a page, an address or a log.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.base import Credential
from connectors.errors import (
    ConnectorError,
    CredentialRefused,
    PasswordChangeDue,
    SystemUnavailable,
)

from ..audit.event import AuditEvent, EventType
from ..audit.journal import Journal
from ..credentials import CredentialSource
from ..edge.origins import Asked, Bounce, asked
from ..errors import ConfigError
from ..session_events import strength
from ..sessions import Seat
from ..stores.base import CodeStore
from ..systems import System
from ..upstreams import UpstreamSessions
from ..vault import Kept, Vault
from .bodies import form_of
from .launchpad import Launchpad
from .refusals import Refusals
from .render import Renderer, when

_ASKING, _ASKING_LIFE = "asking", 900.0  # seconds that the page one came for is remembered
LONGEST = {"username": 256, "password": 1024}  # characters


@dataclass(frozen=True, slots=True)
class Row:
    """A system on the page of what is kept."""

    name: str
    title: str
    helpdesk: str
    address: str  # empty for a system that is not there any more
    kept: Kept | None
    given: bool  # the hospital has sealed one for this clinician


class VaultPages:
    def __init__(
        self,
        systems: dict[str, System],
        vault: Vault,
        files: CredentialSource,
        upstreams: UpstreamSessions,
        codes: CodeStore,
        journal: Journal,
        launchpad: Launchpad,
        refusals: Refusals,
        renderer: Renderer,
        now: Callable[[], float],
        public: str,
    ) -> None:
        self._systems = systems
        self._vault = vault
        self._files = files
        self._upstreams = upstreams
        self._codes = codes
        self._journal = journal
        self._launchpad = launchpad
        self._refusals = refusals
        self._renderer = renderer
        self._now = now
        self._public = public

    async def instead(self, system: System, scope: Any, seat: Seat) -> Bounce | None:
        """Where a navigation without a usable credential goes to give one; None for frames, scripts and writes.

        The page that was wanted stays on the server, since its address may name a patient.
        """
        headers = tuple(scope["headers"])
        if system.logs_on is None or scope["method"] != "GET" or asked("GET", headers) is not Asked.DOCUMENT:
            return None
        return await self._asking(system, seat, scope["lanyard.target"].decode("latin-1"))

    async def overview(self, request: Request) -> Response:
        """What is kept, since when and last used."""
        return await self._launchpad.seated(request, self._overview)

    async def _overview(self, request: Request, seat: Seat) -> Response:
        kept = {one.system: one for one in await self._vault.kept(seat.shift.principal)}
        rows = []
        for system in self._systems.values():
            if system.logs_on is not None and (system.name in kept or self._launchpad.may_open(system, seat)):
                given = await self._given(seat, system)
                address = self._launchpad.address(system)
                helpdesk = system.table.helpdesk
                rows.append(Row(system.name, system.title, helpdesk, address, kept.pop(system.name, None), given))
        rows += [Row(name, name, "", "", one, given=False) for name, one in kept.items()]
        return self._renderer.page("vault.html", rows=rows, when=when, **self._launchpad.who(seat))

    async def _given(self, seat: Seat, system: System) -> bool:
        """A file that cannot be read is told where its system is opened."""
        try:
            return await self._files.credential(seat.shift.principal, system.name) is not None
        except ConfigError:
            return False

    async def ask(self, request: Request) -> Response:
        """GET asks for a system's user name and password; POST tries them there and keeps what the system takes."""
        return await self._launchpad.seated(request, self._give if request.method == "POST" else self._ask)

    async def _ask(self, request: Request, seat: Seat) -> Response:
        if (system := self._system(request, seat)) is None:
            return self._nothing(request)
        return await self._form(system, seat, request.query_params.get("page", ""))

    async def _give(self, request: Request, seat: Seat) -> Response:
        typed = await form_of(request)
        if (system := self._system(request, seat)) is None:
            return self._nothing(request)
        page = typed.get("page", "")
        credential = Credential(typed.get("username", "").strip(), typed.get("password", ""))
        wanted = (await self._remembered(page, system, seat)).get("target")
        if problem := _unfit(credential):
            told = problem, "Nothing was sent to the system."
            return self._renderer.redirect(await self._asking(system, seat, wanted, told))

        async def keep() -> None:
            p = seat.shift.principal
            before = any(kept.system == system.name for kept in await self._vault.kept(p))
            await self._record(
                EventType.CREDENTIAL_REPLACED if before else EventType.CREDENTIAL_KEPT, system.name, seat
            )
            await self._vault.keep(p, system.name, credential)

        try:
            await self._upstreams.prove(seat, system, credential, keep)
        except ConnectorError as error:
            told = _told(error, system.title)
            return self._renderer.redirect(await self._asking(system, seat, wanted, told))
        place = f"{self._public.partition('://')[0]}://{system.host}{wanted}"
        return self._renderer.redirect(Bounce(place if wanted else self._launchpad.address(system)))

    async def forget(self, request: Request) -> Response:
        """POST: forget what is kept for a system."""
        return await self._launchpad.seated(request, self._forget)

    async def _forget(self, request: Request, seat: Seat) -> Response:
        name, p = request.path_params["system"], seat.shift.principal
        if any(kept.system == name for kept in await self._vault.kept(p)):
            await self._record(EventType.CREDENTIAL_FORGOTTEN, name, seat)
            await self._vault.forget(p, name)
        return self._renderer.redirect(Bounce("/vault"))

    def _system(self, request: Request, seat: Seat) -> System | None:
        """Nobody logs on at a system that their role may not open."""
        system = self._systems.get(request.path_params["system"])
        usable = system is not None and system.logs_on is not None and self._launchpad.may_open(system, seat)
        return system if usable else None

    def _nothing(self, request: Request) -> Response:
        return self._refusals.not_found(request.method, tuple(request.scope["headers"]))

    async def _asking(
        self, system: System, seat: Seat, target: str | None, problem: tuple[str, str] | None = None
    ) -> Bounce:
        """To the page that asks, by GET also after a try: a browser that went back to the answer of a POST would offer to
        send it once more, password and all. What was wanted and what went wrong stay here, behind a ticket."""
        ticket = secrets.token_urlsafe(24)
        value = {"session": seat.session.id, "system": system.name, "target": target, "problem": problem}
        await self._codes.put_code(_ASKING, ticket, json.dumps(value).encode(), self._now() + _ASKING_LIFE)
        return Bounce(f"{self._public}/vault/{system.name}?page={ticket}")

    async def _remembered(self, page: str, system: System, seat: Seat) -> dict[str, Any]:
        """What is behind a ticket of this session's, for this system; nothing behind any other."""
        value = await self._codes.read_code(_ASKING, page, self._now()) if 0 < len(page) < 64 else None
        kept: dict[str, Any] = json.loads(value) if value else {}
        ours = kept.get("session") == seat.session.id and kept.get("system") == system.name
        return kept if ours else {}

    async def _form(self, system: System, seat: Seat, page: str) -> Response:
        kept = next((k for k in await self._vault.kept(seat.shift.principal) if k.system == system.name), None)
        refused = await self._upstreams.refused(seat, system)
        change = kept.change if kept else refused is not None and issubclass(refused, PasswordChangeDue)
        asking = await self._remembered(page, system, seat)
        return self._renderer.page(
            "vault_ask.html",
            system=system.name,
            title=system.title,
            helpdesk=system.table.helpdesk,
            page=page if asking else "",
            problem=asking.get("problem"),
            kept=kept,
            refused=kept.refused is not None if kept else refused is not None,
            change=change,
            longest=LONGEST,
            when=when,
            **self._launchpad.who(seat),
        )

    async def _record(self, kind: EventType, system: str, seat: Seat) -> None:
        p = seat.shift.principal
        who = {"issuer": p.issuer, "subject": p.subject, "name": p.name}
        fields = {"system": system, "session": seat.session.id, "shift": seat.shift.id, **who, **strength(seat.shift)}
        await self._journal.record(AuditEvent(kind, self._now(), fields))


def _unfit(credential: Credential) -> str:
    """What no system could take."""
    if not credential.username or not credential.secret:
        return "Enter both your user name and your password"
    if len(credential.username) > LONGEST["username"] or len(credential.secret) > LONGEST["password"]:
        return "Your user name or password is too long"
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in credential.username + credential.secret):
        return "A user name or password holds no control characters"
    return ""


def _told(error: ConnectorError, title: str) -> tuple[str, str]:
    """What happened, and what is to be known or done. What was typed is not kept, whatever it was."""
    match error:
        case PasswordChangeDue():
            return (
                f"{title} wants a new password from you",
                "It took your user name and password, but asks for a new password before it lets you in. Change it in the "
                "system itself, or with its helpdesk, and then enter the new one here. What you typed was not kept.",
            )
        case CredentialRefused():
            return (
                f"{title} did not take your user name and password",
                "What you typed was not kept, and we do not try it again by ourselves. Some systems lock an account after a few wrong "
                "tries: if you are not sure, ask the helpdesk first.",
            )
        case SystemUnavailable():
            return (
                f"{title} does not answer",
                "What you typed was not kept. Try again in a minute, or ask the helpdesk.",
            )
        case _:
            return (
                f"{title} gave an answer that we do not understand",
                "What you typed was not kept. Tell the helpdesk: its log-on page may have changed.",
            )
