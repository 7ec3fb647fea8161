"""The header connector holds to the contract of connectors."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.base import SystemConfig, UpstreamSession
from connectors.header import HeaderConnector
from connectors.testing import Answered, Asked, ConnectorContract
from policies.model import Action, PatientRef

OPTIONS: dict[str, Any] = {
    "headers": {"X-Remote-User": "{account}", "X-Remote-Name": "{name}"},
    "assertion": "X-Lanyard-Assertion",
    "audience": "https://orders.test",
    "logged_off": {"text": "Your session has ended"},
    "log_off": {"path": "/logout"},
    "charset": "utf-8",
    "unnamed": "page",
    "browser_cookies": ["theme"],
    "routes": [
        {"id": "orders", "path": "/orders/{id}", "action": "read", "kind": "order", "patient": {"in": "path", "name": "id"}},
        {"id": "order", "methods": ["POST"], "path": "/orders", "action": "write", "kind": "order",
         "patient": {"in": "form", "name": "hosp"}},
        {"id": "list", "path": "/list", "action": "list", "kind": "list", "patient": {"in": "answer", "pattern": "Hosp No: (H[0-9]+)"}},
    ],
}  # fmt: skip
FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
HTML = ((b"content-type", b"text/html; charset=utf-8"),)
LIST = Asked(b"/list", Action.LIST)


def about(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:orders", id_) for id_ in ids)


class TestHeader(ConnectorContract):
    package = "connectors.header"
    skips: ClassVar = {
        "test_the_browser_s_cookies_stay_here": "the gateway takes out every cookie that `browser_cookies` does not "
        "declare, and the declared ones are passed on beside the session's",
        "test_the_browser_s_authorization_stays_here": "the gateway takes the header out before `prepare`, and what is "
        "left of a page's request goes on as it came",
    }

    def connector(self) -> HeaderConnector:
        return HeaderConnector(SystemConfig("orders", "Order entry", "http://orders.test", OPTIONS, 65_536))

    def session(self, secret: str) -> UpstreamSession:
        cookie = {"name": "SID", "value": secret, "domain": "orders.test", "path": "/", "secure": False}
        return UpstreamSession("s", "orders", {"cookies": [{**cookie, "expires": None, "discard": True}]})

    def requests(self) -> list[Asked]:
        return [
            LIST,
            Asked(b"/orders/H123456?tab=a%e9", Action.READ, about("H123456")),
            Asked(b"/orders", Action.WRITE, about("H123456"), "POST", FORM, b"hosp=H123456&what=caf%C3%A9"),
            Asked(b"/unnamed;a=1?b", Action.ENTER),
        ]

    def answers(self) -> list[Answered]:
        return [Answered(LIST, HTML, b"<p>Hosp No: H1</p><p>Hosp No: H22</p>", about("H1", "H22"))]
