"""The webform connector holds to the contract of connectors."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx2

from connectors.base import SystemConfig, UpstreamSession
from connectors.testing import Answered, Asked, ConnectorContract
from connectors.webform import WebformConnector
from policies.model import Action, PatientRef

LOGIN = b"""<form method="post" action="/login"><input type="hidden" name="csrf" value="1">
<input name="user"><input name="word" type="password"><button>Sign in</button></form>"""
OPTIONS: dict[str, Any] = {
    "login_page": "/login",
    "username_field": "user",
    "password_field": "word",
    "success": {"status": 302, "cookie": "SID"},
    "failure": {"text": "wrong password"},
    "logged_off": {"text": 'name="word"'},
    "log_off": {"path": "/logout"},
    "charset": "iso-8859-1",
    "routes": [
        {"id": "style", "path": "/static/{rest...}", "asset": True},
        {"id": "summary", "path": "/patient/{id}/summary", "action": "read", "kind": "demographics",
         "patient": {"in": "path", "name": "id"}, "parameters": ["tab"]},
        {"id": "find", "path": "/find", "action": "search", "kind": "patient",
         "patient": {"in": "query", "name": "nhs", "namespace": "nhs-number"}},
        {"id": "note", "methods": ["POST"], "path": "/notes", "action": "write", "kind": "note",
         "patient": {"in": "form", "name": "hosp"}},
        {"id": "worklist", "path": "/worklist", "action": "list", "kind": "list",
         "patient": {"in": "answer", "pattern": "Hosp No: (H[0-9]+)"}},
    ],
}  # fmt: skip
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
HTML = ((b"content-type", b"text/html; charset=iso-8859-1"),)
WORKLIST = Asked(b"/worklist", Action.LIST)


def about(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:pas", id_) for id_ in ids)


class TestWebform(ConnectorContract):
    package = "connectors.webform"
    skips: ClassVar = {
        "test_the_browser_s_cookies_stay_here": "the gateway takes out every cookie that `browser_cookies` does not "
        "declare, and the declared ones are passed on beside the log-on's",
        "test_the_browser_s_authorization_stays_here": "the gateway takes the header out before `prepare`, and what is "
        "left of a page's request goes on as it came",
    }

    def connector(self) -> WebformConnector:
        return WebformConnector(SystemConfig("pas", "Old PAS", "http://old.test", OPTIONS, 65_536))

    def session(self, secret: str) -> UpstreamSession:
        cookie = {"name": "SID", "value": secret, "domain": "old.test", "path": "/", "secure": False}
        return UpstreamSession("s", "pas", {"cookies": [{**cookie, "expires": None, "discard": True}]})

    def system(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, headers={"content-type": "text/html"}, content=LOGIN)
        return httpx2.Response(302, headers={"location": "/home", "set-cookie": "SID=1; Path=/"})

    def requests(self) -> list[Asked]:
        return [
            WORKLIST,
            Asked(b"/static/site.css?v=2", Action.ENTER),
            Asked(b"/patient/H123456/summary?tab=a%e9", Action.READ, about("H123456")),
            Asked(b"/find?nhs=999+000+0018", Action.SEARCH, frozenset({PatientRef("nhs-number", "9990000018")})),
            Asked(b"/notes", Action.WRITE, about("H123456"), "POST", FORM, b"hosp=H123456&note=caf%E9"),
            Asked(b"/unnamed;a=1?b", Action.ENTER),
            Asked(b"/unnamed", Action.WRITE, method="POST", headers=FORM, body=b"a=1"),
        ]

    def answers(self) -> list[Answered]:
        page = b"<p>Hosp No: H1 caf\xe9</p><p>Hosp No: H22</p>"
        return [
            Answered(WORKLIST, HTML, page, about("H1", "H22")),
            Answered(Asked(b"/unnamed", Action.ENTER), HTML, b"<p>Hosp No: H3</p>", frozenset()),
        ]
