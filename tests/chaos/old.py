"""An old system with a login page, which counts who tried to log on; it takes a while to do so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from urllib.parse import parse_qs

from gateway.credentials import seal_credentials
from sso.seal import Seal

PATIENT = "/part/patient/100001"
WRONG = "somebody-else"  # whose word the system does not take
_PEOPLE = 200
_TAKES = 0.3  # seconds for a log-on
_FORM = b"<!doctype html><form method=post action=/login><input name=user><input type=password name=word></form>"
OPTIONS = {
    "login_page": "/login",
    "username_field": "user",
    "password_field": "word",
    "success": {"status": 302, "location": "/home"},
    "failure": {"status": 403},
    "logged_off": {"status": 302, "location": "/login"},
    "routes": [
        {
            "id": "part",
            "path": "/part/patient/{id}",
            "action": "read",
            "kind": "note",
            "patient": {"in": "path", "name": "id"},
        }
    ],
}


def credentials(key: bytes, issuer: str) -> str:
    """Everybody's, sealed; the last one's is wrong."""
    entries = [
        {"issuer": issuer, "subject": f"nurse-{n}", "username": f"u{n}", "secret": f"w{n}"} for n in range(_PEOPLE)
    ]
    entries.append({"issuer": issuer, "subject": WRONG, "username": WRONG, "secret": "wrong"})
    return seal_credentials(json.dumps(entries).encode(), "pas", Seal.of(key))


async def answer(log_ons: Counter[str], method: bytes, target: bytes, head: bytes, body: bytes) -> bytes:
    """The whole answer; a page says for whom it is."""
    if method == b"POST":
        said = parse_qs(body.decode())
        user, word = said["user"][0], said["word"][0]
        log_ons[user] += 1
        await asyncio.sleep(_TAKES)
        if word != user.replace("u", "w"):
            return _answer(b"403 Forbidden", b"no")
        return _answer(b"302 Found", b"", b"location: /home\r\nset-cookie: old=%s; Path=/\r\n" % user.encode())
    whose = head.partition(b"old=")[2].partition(b"\r")[0].partition(b";")[0]
    return _answer(
        b"200 OK", _FORM if target == b"/login" else b"<!doctype html><title>old</title><p>for %s</p>" % whose
    )


def _answer(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: text/html\r\ncontent-length: %d\r\n%s\r\n" % (status, len(body), more)
    return head + body
