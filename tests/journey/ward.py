"""A ward for raw requests: a recording upstream behind a real gateway, as an old system (twice) and as a FHIR server."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gateway.edge.raw import exchange

from .browser import Browser
from .hospital import Hospital, hospital, system
from .recorder import PATIENCE, Recorder, Seen, recorder, reply

CANARY = b"RECORD-CANARY"
RENEWED_EVERY = 120.0  # seconds: a cookie at a system's host is good for five minutes
LOGIN = "/login.asp"
PAGE = "/ward/7/list"  # where forms are sent from
FORM = f'<form method=post action="{LOGIN}"><input name=u><input name=p type=password></form>'.encode()
_NUMBER = itertools.count(1)

# As many routes as tests need; what none of them names is refused at `pas`, and a page at `wiki`.
ROUTES: list[dict[str, Any]] = [
    {"id": "list", "path": "/ward/7/list", "kind": "list", "action": "list"},
    {"id": "search", "path": "/search", "kind": "list", "action": "search", "parameters": ["name"]},
    {"id": "upper", "path": "/Ward/7/List.asp", "kind": "list", "action": "list"},
    {"id": "notes", "methods": ["POST"], "path": "/ward/7/notes", "kind": "note", "action": "write"},
    {"id": "css", "path": "/static/{rest...}", "asset": True},
    {
        "id": "record",
        "path": "/records/{id}",
        "kind": "record",
        "action": "read",
        "patient": [{"in": "path", "name": "id"}, {"in": "answer", "pattern": "patient=([0-9]+)"}],
    },
    {
        "id": "form",
        "methods": ["POST"],
        "path": "/record",
        "kind": "note",
        "action": "write",
        "patient": [{"in": "query", "name": "id"}, {"in": "form", "name": "id"}],
    },
    {
        "id": "json",
        "methods": ["POST"],
        "path": "/api/record",
        "kind": "note",
        "action": "write",
        "patient": {"in": "json", "name": "/id"},
    },
    {
        "id": "scan",
        "methods": ["POST"],
        "path": "/records/{id}/scan",
        "kind": "note",
        "action": "write",
        "patient": {"in": "path", "name": "id"},
    },
    {
        "id": "image",
        "path": "/records/{id}/image",
        "kind": "image",
        "action": "read",
        "patient": {"in": "path", "name": "id"},
    },
    {
        "id": "by-query",
        "path": "/record",
        "kind": "record",
        "action": "read",
        "patient": {"in": "query", "name": "id"},
    },
]


def old_system(**logged_off: Any) -> dict[str, Any]:
    return {
        "login_page": LOGIN,
        "username_field": "u",
        "password_field": "p",
        "success": {"status": 302},
        "failure": {"text": "wrong"},
        "logged_off": logged_off,
        "browser_cookies": ["theme"],
        "routes": ROUTES,
    }


def answers(seen: Seen) -> bytes:
    """Good manners: a login form, a log-on, and a page for everything else."""
    if seen.path == LOGIN and seen.method == "POST":
        return reply(status="302 Found", Location="/", Set_Cookie=f"JSESSIONID=upstream-{next(_NUMBER)}; Path=/")
    if seen.path == LOGIN:
        return reply(FORM)
    return reply(b"<p>" + CANARY)


@dataclass(frozen=True)
class Got:
    """An answer as the client's socket saw it."""

    status: int | None
    raw: bytes
    closed: bool

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def headers(self, name: str) -> list[str]:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")
        return re.findall(rf"(?im)^{re.escape(name)}: *(.*?)\r?$", head)


@dataclass
class Ward:
    place: Hospital
    upstream: Recorder
    nurse: Browser
    cookies: dict[str, str] = field(default_factory=dict)  # by host: what a signed-on nurse's browser sends
    renewed: float = 0.0

    def host(self, name: str) -> str:
        return self.place.system_url("api" if name == "epr" else name).removeprefix("http://")

    def sign_on(self, browser: Browser) -> dict[str, str]:
        """One sign-on, and into every system; the Cookie header for each host."""
        self.place.sign_on(browser, "n.okoye")
        for start in ("pas:/ward/7/list", "wiki:/ward/7/list", "epr:/epr/metadata"):
            name, _, path = start.partition(":")
            browser.get(f"http://{self.host(name)}{path}")
        return self._held(browser)

    def _held(self, browser: Browser) -> dict[str, str]:
        return {
            host: "; ".join(f"{name}={value}" for name, value in jar.items()) for host, jar in browser.cookies.items()
        }

    def request(
        self,
        target: str,
        *headers: str,
        at: str = "pas",
        method: str = "GET",
        body: bytes = b"",
        version: str = "1.1",
        cookie: str | None = None,
    ) -> bytes:
        """A request's bytes, from a page of the system's own origin. `cookie` in place of the nurse's."""
        host = self.host(at)
        lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", "Sec-Fetch-Site: same-origin"]
        lines.append(f"Referer: http://{host}{PAGE}")
        if cookie is None:
            cookie = self.cookies[host]
        lines += [f"Cookie: {cookie}"] if cookie else []
        if body and not any("transfer-encoding" in line.lower() for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body

    def send(self, *parts: bytes, answers: int = 1) -> Got:
        found = exchange(("127.0.0.1", self.place.port), *parts, answers=answers)
        return Got(found.statuses[0] if found.statuses else None, found.raw, found.closed)

    def ask(self, target: str, *headers: str, **how: Any) -> Got:
        return self.send(self.request(target, *headers, **how))

    def asked(self) -> list[Seen]:
        """What the systems saw, without log-ons."""
        return self.upstream.asked(beside=(LOGIN, "/"))

    def told(self, true: Callable[[list[dict[str, Any]]], object], **wanted: str) -> list[dict[str, Any]]:
        """The journal's events, as soon as they are what is waited for: completion is written behind the answer."""
        until = time.monotonic() + PATIENCE
        while not true(events := self.place.events(**wanted)):
            assert time.monotonic() < until, events[-3:]
        return events

    def calm(self) -> None:
        """As at the beginning: nothing seen, good manners, and cookies that are good for a while."""
        self.upstream.answer = answers
        if time.monotonic() - self.renewed > RENEWED_EVERY:
            for name in ("pas", "wiki", "epr"):
                self.nurse.get(f"http://{self.host(name)}/.lanyard/renew")
            self.cookies, self.renewed = self._held(self.nurse), time.monotonic()
        self.upstream.seen.clear()


@contextlib.contextmanager
def ward(folder: Path) -> Iterator[Ward]:
    with recorder(answers) as upstream, Browser() as browser:
        systems = [
            system("pas", "webform", upstream.origin, options=old_system(location=LOGIN) | {"unnamed": "refuse"}),
            system("wiki", "webform", upstream.origin, options=old_system(text=f"action={LOGIN}")),
            system("epr", "fhir", f"{upstream.origin}/fhir", mount="path"),
        ]
        people = {name: {"n.okoye": ("okoye", "secret")} for name in ("pas", "wiki")}
        with hospital(folder, systems, credentials=people) as place:
            made = Ward(place, upstream, browser)
            made.cookies, made.renewed = made.sign_on(browser), time.monotonic()
            yield made
