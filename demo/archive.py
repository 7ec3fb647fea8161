"""The image archive, behind the browser's own password prompt: HTTP Basic, user names and passwords of its own."""

from __future__ import annotations

import base64
import binascii

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from .look import page
from .people import Patient, User


def password_of(user: User) -> str:
    return f"Scan-{user.pas_password}"


class Archive:
    def __init__(self, people: list[Patient], users: tuple[User, ...]) -> None:
        self._people = {patient.hospital_number: patient for patient in people}
        self._users = {user.pas_user: user for user in users}

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/", self.studies), Route("/studies/{hosp}", self.of_patient)])

    async def studies(self, request: Request) -> Response:
        if (user := self._who(request)) is None:
            return _prompt()
        shown = sorted(self._people.values(), key=lambda p: p.family)[:12]
        return HTMLResponse(page("archive.html", who=user.name, people=shown, patient=None))

    async def of_patient(self, request: Request) -> Response:
        if (user := self._who(request)) is None:
            return _prompt()
        patient = self._people.get(request.path_params["hosp"])
        if patient is None:
            return PlainTextResponse("No such patient\n", 404)
        return HTMLResponse(page("archive.html", who=user.name, people=[], patient=patient))

    def _who(self, request: Request) -> User | None:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self._users.get(name)
        return user if scheme.lower() == "basic" and user is not None and password == password_of(user) else None


def _prompt() -> Response:
    return PlainTextResponse(
        "Log on\n", 401, headers={"www-authenticate": 'Basic realm="Image archive", charset="UTF-8"'}
    )
