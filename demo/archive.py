"""The image archive, behind the browser's own password prompt: HTTP Basic, user names and passwords of its own."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .patient_pages import PatientPages
from .people import Patient, User


def password_of(user: User) -> str:
    return f"Scan-{user.pas_password}"


class Archive(PatientPages):
    template, path = "archive.html", "/studies"

    def __init__(self, people: list[Patient], users: tuple[User, ...]) -> None:
        super().__init__(people)
        self._users = {user.pas_user: user for user in users}

    async def who(self, request: Request) -> str | None:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self._users.get(name)
        if scheme.lower() != "basic" or user is None or password != password_of(user):
            return None
        return user.name

    def nobody(self) -> Response:
        return PlainTextResponse(
            "Log on\n", 401, headers={"www-authenticate": 'Basic realm="Image archive", charset="UTF-8"'}
        )
