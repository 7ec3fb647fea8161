"""A pretend PAS, as nasty as real ones.

The current patient is kept in the log-on's session; every click on the patient's pages is a POST; the session ends after a minute without a
click; redirects are absolute; pages are Windows-1252 in framesets, and so is one path; forms carry a token that dies with the
session; three wrong passwords lock a user out; one page is slow. Every write is counted, so that nobody can send one twice unseen.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .look import page
from .people import Patient, User

CHARSET = "windows-1252"
COOKIE = "PASSESSID"
_TRIES = 3


@dataclass
class Session:
    user: User
    token: str
    seen: float
    current: Patient | None = None


@dataclass
class Pas:
    people: list[Patient]
    users: tuple[User, ...]
    idle: float = 60.0
    slow: float = 1.5
    notes: list[tuple[str, str, str]] = field(default_factory=list)  # hospital number, user, text
    log_ons: int = 0
    _sessions: dict[str, Session] = field(default_factory=dict)
    _login_tokens: set[str] = field(default_factory=set)
    _wrong: dict[str, int] = field(default_factory=dict)

    def app(self) -> Starlette:
        def on(path: str, answer: Callable[[Request, Session], Awaitable[Response]], *methods: str) -> Route:
            return Route(path, self._logged_on(answer), methods=list(methods) or ["GET"])

        return Starlette(
            routes=[
                Route("/", lambda request: self._redirect(request, "/pas/main")),
                Route("/pas/login", self.login, methods=["GET", "POST"]),
                Route("/pas/logoff", self.log_off),
                Route("/pas/style.css", lambda request: Response(page("pas.css"), media_type="text/css")),
                on("/pas/main", self.frames),
                on("/pas/menu", self.menu),
                on("/pas/worklist", self.worklist, "GET", "POST"),
                on("/pas/select", self.select, "POST"),
                on("/pas/patient", self.by_number),
                on("/pas/summary", self.summary, "GET", "POST"),
                on("/pas/notes", self.notes_page, "GET", "POST"),
                on("/pas/notes/save", self.save, "POST"),
                on("/pas/appointments", self.appointments, "GET", "POST"),
                # `/pas/%FCbersicht`: Windows-1252 in the address, which today's servers read as no letter at all.
                on("/pas/{_}bersicht", self.overview),
                on("/pas/report", self.report, "GET", "POST"),
                Route("/pas-admin/count", self.count),
            ]
        )

    # Logging on and off

    async def login(self, request: Request) -> Response:
        if request.method == "GET":
            return self._login_page("")
        form = await self._form(request)
        if form.get("csrf") not in self._login_tokens:
            return self._html("pas_login.html", 403, message="Form expired. Try again.", token=self._login_token())
        self._login_tokens.discard(form["csrf"])
        name = form.get("userid", "").upper()
        user = next((u for u in self.users if u.pas_user == name), None)
        if self._wrong.get(name, 0) >= _TRIES:
            return self._login_page("User locked out. Ring the helpdesk.")
        if user is None or form.get("pwd") != user.pas_password:
            self._wrong[name] = self._wrong.get(name, 0) + 1
            return self._login_page("Invalid logon")
        self._wrong.pop(name, None)
        self.log_ons += 1
        key = secrets.token_hex(16).upper()
        self._sessions[key] = Session(user, secrets.token_hex(8), monotonic())
        response = self._redirect(request, "/pas/main")
        response.headers["set-cookie"] = f"{COOKIE}={key}; Path=/pas"
        return response

    def _login_token(self) -> str:
        token = secrets.token_hex(8)
        self._login_tokens.add(token)
        return token

    def _login_page(self, message: str) -> Response:
        # Old systems say 200 to everything.
        return self._html("pas_login.html", 200, message=message, token=self._login_token())

    async def log_off(self, request: Request) -> Response:
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        return self._login_page("You have logged off.")

    def _logged_on(
        self, answer: Callable[[Request, Session], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            session = self._sessions.get(request.cookies.get(COOKIE, ""))
            if session is None or monotonic() - session.seen > self.idle:
                self._sessions.pop(request.cookies.get(COOKIE, ""), None)
                return self._login_page("Your session has timed out.")
            session.seen = monotonic()
            return await answer(request, session)

        return guarded

    # Pages

    async def frames(self, request: Request, session: Session) -> Response:
        return self._html("pas_frames.html")

    async def menu(self, request: Request, session: Session) -> Response:
        return self._html("pas_menu.html", user=session.user, current=session.current)

    async def worklist(self, request: Request, session: Session) -> Response:
        wanted = (await self._form(request)).get("find", "").lower() if request.method == "POST" else ""
        shown = [p for p in self.people if wanted in p.family.lower() or wanted in p.hospital_number.lower()]
        return self._html("pas_worklist.html", people=sorted(shown, key=lambda p: p.family)[:30], find=wanted)

    async def select(self, request: Request, session: Session) -> Response:
        """Sets the current patient; the address never says who it is."""
        number = (await self._form(request)).get("hosp", "")
        session.current = self._person(number)
        return self._redirect(request, "/pas/summary")

    async def by_number(self, request: Request, session: Session) -> Response:
        session.current = self._person(request.query_params.get("hosp", ""))
        return await self.summary(request, session)

    async def summary(self, request: Request, session: Session) -> Response:
        return self._about("pas_summary.html", session)

    async def notes_page(self, request: Request, session: Session) -> Response:
        number = session.current.hospital_number if session.current else ""
        return self._about(
            "pas_notes.html", session, notes=[n for n in self.notes if n[0] == number], token=session.token
        )

    async def save(self, request: Request, session: Session) -> Response:
        """A write goes to whoever is current now, whatever the form's page showed."""
        form = await self._form(request)
        if form.get("__VIEWSTATE") != session.token:
            return self._html("pas_error.html", 200, message="Invalid view state")
        if session.current is not None:
            self.notes.append((session.current.hospital_number, session.user.pas_user, form.get("note", "")))
        return self._redirect(request, "/pas/notes")

    async def appointments(self, request: Request, session: Session) -> Response:
        return self._about("pas_appointments.html", session)

    async def overview(self, request: Request, session: Session) -> Response:
        return self._html("pas_overview.html", wards=sorted({p.ward for p in self.people}), people=self.people)

    async def report(self, request: Request, session: Session) -> Response:
        await asyncio.sleep(self.slow)
        return self._about("pas_summary.html", session)

    async def count(self, request: Request) -> Response:
        """For tests, straight to this server: writes received, log-ons made."""
        return PlainTextResponse(f"{len(self.notes)} {self.log_ons}\n")

    def expire(self) -> None:
        """For tests: every session is gone now."""
        self._sessions.clear()

    def _about(self, template: str, session: Session, **words: Any) -> Response:
        if session.current is None:
            return self._html("pas_error.html", 200, message="No patient selected")
        return self._html(template, patient=session.current, **words)

    def _person(self, number: str) -> Patient | None:
        return next((p for p in self.people if p.hospital_number == number), None)

    async def _form(self, request: Request) -> dict[str, str]:
        return dict(parse_qsl((await request.body()).decode("ascii"), encoding=CHARSET, keep_blank_values=True))

    def _html(self, template: str, status: int = 200, **words: Any) -> Response:
        body = page(template, **words).encode(CHARSET, "xmlcharrefreplace")
        return Response(body, status, headers={"content-type": f"text/html; charset={CHARSET}"})

    def _redirect(self, request: Request, path: str) -> Response:
        """Absolute, built from whatever Host said."""
        return Response(status_code=302, headers={"location": f"http://{request.headers['host']}{path}"})
