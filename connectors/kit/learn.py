"""What a recording of a log-on and of a patient's page says about a system: a declaration to begin with, and what to look at in it.

Names of fields, cookies and paths are taken over; nothing that was typed, no cookie's or hidden field's value, and no patient's number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..errors import SystemMisbehaves
from ..routes import is_nhs_number
from ..webform.form import parse
from .recording import NoRecording, Visit, visits

_TYPED = ("text", "email", "search", "tel", "")
_WRONG = re.compile(
    r"invalid|incorrect|correct|wrong|recogni[sz]ed|denied|failed|unknown|sorry|error|falsch|ungültig", re.I
)
_SAID = re.compile(r">([^<>]{8,200})<")
_LOG_OFF = re.compile(r"log-?o(?:ut|ff)|sign-?o(?:ut|ff)|abmeld", re.I)
# A part of a path that is somebody's or something's: a number, a number with letters, a UUID.
_ID = re.compile(r"(?:[A-Za-z]{0,3}[0-9]{2,}|[0-9]+|[0-9a-fA-F-]{32,36})")
_LONGEST_TEXT = 60
CHANGE = "CHANGE"


@dataclass(frozen=True, slots=True)
class Login:
    """The page with the form, and the names in it; `sent`: the log-on that was taken; `refused`: one that was not, where there was one."""

    page: Visit
    form: str
    username_field: str
    password_field: str
    sent: Visit
    refused: Visit | None = None


@dataclass(slots=True)
class Learned:
    """Options of the connector `webform`, in TOML's values, and sentences on what to look at."""

    upstream: str
    options: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def toml(self, name: str) -> str:
        """The whole `[[systems]]` entry, to be read over by whoever knows the system."""
        lines = [f"# {note}" for note in self.notes]
        lines += [
            "[[systems]]",
            f"name = {_value(name)}",
            f"title = {_value(name.capitalize())}",
            'connector = "webform"',
        ]
        lines += [f"upstream = {_value(self.upstream)}", "", "[systems.options]"]
        for option, value in self.options.items():
            if option == "routes":
                lines += ["routes = [", *(f"  {_value(route)}," for route in value), "]"]
            else:
                lines.append(f"{option} = {_value(value)}")
        return "\n".join(lines) + "\n"


def learned(recording: bytes) -> Learned:
    """Raises NoRecording: the file is none, or there is no log-on in it."""
    seen = visits(recording)
    login = _login(seen)
    if login is None:
        raise NoRecording("no log-on is in the recording: begin it before the login page, and log on by its form")
    own = [visit for visit in seen if visit.origin == login.page.origin]
    notes: list[str] = []
    options: dict[str, Any] = {"login_page": _target(login.page)}
    if login.form:
        options["form"] = login.form
    options |= {"username_field": login.username_field, "password_field": login.password_field}
    options["success"] = _success(login)
    options["failure"] = _failure(login, notes)
    options["logged_off"] = {"text": _mark(login)}
    if (off := next((v for v in own if _LOG_OFF.search(v.path) and v.method == "GET"), None)) is not None:
        options["log_off"] = {"path": off.path}
    options["routes"] = _routes([v for v in own if not _is_about_log_on(v, login, off)], notes)
    if elsewhere := {visit.origin for visit in seen} - {login.page.origin}:
        notes.append(
            f"the pages also ask {', '.join(sorted(elsewhere))}: what comes from there does not pass the gateway"
        )
    return Learned(login.page.origin, options, notes)


# The log-on


def _login(seen: Sequence[Visit]) -> Login | None:
    for at, page in enumerate(seen):
        for name, user, password in _password_forms(page):
            tries = [
                v for v in seen[at + 1 :] if v.origin == page.origin and v.method == "POST" and password in dict(v.form)
            ]
            if tries:
                refused = tries[0] if len(tries) > 1 else None
                return Login(page, name, user, password, tries[-1], refused)
    return None


def _password_forms(page: Visit) -> Iterator[tuple[str, str, str]]:
    """Name, user field and password field of each form that asks for a password."""
    if not page.is_page or not page.text:
        return
    try:
        document = parse(page.text.encode(), "utf-8")
    except SystemMisbehaves:
        return
    for form in document.forms:
        typed = ""
        for one in form.xpath(".//input[@name]"):
            kind = (one.get("type") or "").lower()
            if kind == "password":
                yield str(form.get("id") or form.get("name") or ""), typed, str(one.get("name"))
                break
            typed = str(one.get("name")) if kind in _TYPED else typed


def _success(login: Login) -> dict[str, Any]:
    sent = login.sent
    sign: dict[str, Any] = {"status": sent.status}
    if 300 <= sent.status < 400 and sent.location:
        sign["location"] = urlsplit(urljoin(sent.origin + sent.path, sent.location)).path
    elif (title := _title(sent)) and title != _title(login.page):
        sign = {"text": title}
    if (fresh := [name for name in sent.cookies if name not in login.page.cookies]) and len(fresh) == 1:
        sign["cookie"] = fresh[0]
    return sign


def _failure(login: Login, notes: list[str]) -> dict[str, Any]:
    refused, unknown = login.refused, {"text": f"{CHANGE}: what a refused log-on shows"}
    if refused is None:
        notes.append("record a wrong password once, before the right one: how a refusal looks is not known")
        return unknown
    if refused.status != login.sent.status and refused.status >= 400:
        return {"status": refused.status}
    typed = [value for _, value in refused.form if len(value) > 2]
    fresh = [said.strip() for said in _SAID.findall(refused.text) if said.strip() and said not in login.page.text]
    told = [said for said in fresh if not any(value in said for value in typed)]
    if told:
        return {"text": next((said for said in told if _WRONG.search(said)), told[0])[:_LONGEST_TEXT]}
    notes.append("what the page of the wrong password says is not understood: look at it")
    return unknown


def _mark(login: Login) -> str:
    """What is in the login page only: its password field, as it is written there."""
    ways = (f'name="{login.password_field}"', f"name='{login.password_field}'", f"name={login.password_field}")
    return next((way for way in ways if way in login.page.text), ways[0])


def _title(visit: Visit) -> str:
    found = re.search(r"<title[^>]*>([^<]{1,200})", visit.text, re.I)
    return unescape(found[1]).strip()[:_LONGEST_TEXT] if found else ""


def _is_about_log_on(visit: Visit, login: Login, off: Visit | None) -> bool:
    form = (visit.method, visit.path) == (login.sent.method, login.sent.path) and login.password_field in dict(
        visit.form
    )
    page = _target(visit) == _target(login.page) and visit.method == "GET"
    return form or page or (off is not None and visit.path == off.path)


# The routes


def _routes(own: Sequence[Visit], notes: list[str]) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = []
    pages = {_folder(v.path) for v in own if not v.is_asset}
    for path in sorted({_asset_place(v.path, pages) for v in own if v.is_asset}):
        routes.append({"id": f"assets-{len(routes) + 1}", "path": path, "asset": True})
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for visit in own:
        if visit.is_asset or visit.status >= 400:
            continue
        template, names = _template(visit.path)
        route = known.setdefault((visit.method, template), _route(visit, template, len(known) + 1))
        if "patient" not in route and (place := _patient(visit, names)) is not None:
            route |= {"patient": place, "action": "write" if visit.method == "POST" else "read"}
    routes += known.values()
    if not any("patient" in route for route in routes):
        notes.append(
            'no patient was found in any address or form: open a patient\'s page in the recording, or say `in = "answer"`'
        )
    else:
        notes.append("look at each `patient`: that it is a patient's number, and whose (`namespace`)")
    notes.append("`kind` is what policies call it: `demographics`, `note`, `appointment`, …; `page` names nobody")
    return routes


def _route(visit: Visit, template: str, number: int) -> dict[str, Any]:
    words = [part for part in template.split("/") if part and not part.startswith("{")]
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(words[-2:]).lower()).strip("-") or "home"
    route: dict[str, Any] = {"id": f"{name}-{number}"}
    if visit.method not in ("GET", "HEAD"):
        route["methods"] = [visit.method]
    return route | {"path": template, "kind": "page", "action": "enter" if visit.method in ("GET", "HEAD") else "write"}


def _template(path: str) -> tuple[str, dict[str, str]]:
    """The path with its ids taken out, and which place had which."""
    parts, names = [], dict[str, str]()
    for part in path.split("/"):
        if part and _ID.fullmatch(part):
            place = "id" if not names else f"id{len(names) + 1}"
            names[place] = part
            parts.append(f"{{{place}}}")
        else:
            parts.append(part)
    return "/".join(parts), names


def _patient(visit: Visit, names: dict[str, str]) -> dict[str, str] | None:
    """Where a number is that can be a patient's: an NHS number anywhere, or one that the answer's page repeats."""
    for where, pairs in (("path", tuple(names.items())), ("query", visit.query), ("form", visit.form)):
        for name, value in pairs:
            digits = re.sub(r"[\s-]", "", value)
            if is_nhs_number(digits):
                return {"in": where, "name": name, "namespace": "nhs-number"}
            if _ID.fullmatch(value) and len(value) >= 4 and visit.is_page and value in _words(visit.text):
                return {"in": where, "name": name}
    return None


def _words(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", page)


def _folder(path: str) -> str:
    return path.strip("/").partition("/")[0]


def _asset_place(path: str, pages: Collection[str]) -> str:
    """The whole folder, where there are no pages in it as well."""
    folder = _folder(path)
    return f"/{folder}/{{rest...}}" if path.count("/") > 1 and folder not in pages else path


def _target(visit: Visit) -> str:
    """With what of the query is a word: numbers and tokens in it are somebody's."""
    query = "&".join(f"{name}={value}" for name, value in visit.query if re.fullmatch(r"[A-Za-z_/-]{1,40}", value))
    return f"{visit.path}?{query}" if query else visit.path


def _value(value: Any) -> str:
    """A TOML value; JSON's strings are TOML's basic strings."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
