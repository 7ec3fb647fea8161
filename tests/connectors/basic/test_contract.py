"""The basic connector holds to the contract of connectors."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx2

from connectors.base import SystemConfig, UpstreamSession
from connectors.basic import BasicConnector
from connectors.testing import Answered, Asked, ConnectorContract
from policies.model import Action, PatientRef

OPTIONS: dict[str, Any] = {
    "probe": "/app/explorer.html",
    "scheme": "basic",
    "credential_charset": "utf-8",
    "log_off": {"path": "/logout"},
    "charset": "utf-8",
    "unnamed": "page",
    "browser_cookies": ["theme"],
    "routes": [
        {"id": "study", "path": "/studies/{id}", "action": "read", "kind": "imaging", "patient": {"in": "path", "name": "id"}},
        {"id": "note", "methods": ["POST"], "path": "/notes", "action": "write", "kind": "note",
         "patient": {"in": "form", "name": "hosp"}},
        {"id": "list", "path": "/list", "action": "list", "kind": "list", "patient": {"in": "answer", "pattern": "Hosp No: (H[0-9]+)"}},
    ],
}  # fmt: skip
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
HTML = ((b"content-type", b"text/html; charset=utf-8"),)
LIST = Asked(b"/list", Action.LIST)


def about(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:archive", id_) for id_ in ids)


class TestBasic(ConnectorContract):
    package = "connectors.basic"
    skips: ClassVar = {
        "test_the_browser_s_cookies_stay_here": "the gateway takes out every cookie that `browser_cookies` does not "
        "declare, and the declared ones are passed on beside the session's",
        "test_the_browser_s_authorization_stays_here": "the gateway takes `proxy-authorization` out before `prepare`; "
        "`authorization` is replaced here, which tests/connectors/basic/test_connector.py shows",
    }

    def connector(self) -> BasicConnector:
        return BasicConnector(SystemConfig("archive", "Image archive", "http://archive.test", OPTIONS, 65_536))

    def session(self, secret: str) -> UpstreamSession:
        return UpstreamSession("s", "archive", {"cookies": [], "authorization": f"Basic {secret}"})

    def system(self, request: httpx2.Request) -> httpx2.Response:
        if "authorization" in request.headers:
            return httpx2.Response(200, content=b"Welcome")
        return httpx2.Response(401, headers={"www-authenticate": 'Basic realm="Archive"'})

    def requests(self) -> list[Asked]:
        return [
            LIST,
            Asked(b"/studies/H123456?tab=a%e9", Action.READ, about("H123456")),
            Asked(b"/notes", Action.WRITE, about("H123456"), "POST", FORM, b"hosp=H123456&what=caf%C3%A9"),
            Asked(b"/unnamed;a=1?b", Action.ENTER),
        ]

    def answers(self) -> list[Answered]:
        return [Answered(LIST, HTML, b"<p>Hosp No: H1</p><p>Hosp No: H22</p>", about("H1", "H22"))]
