"""What the suites of connectors whose pages are declared share: routes, requests and answers, under each system's own name."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.base import SystemConfig
from connectors.testing import Answered, Asked, ConnectorContract
from policies.model import Action, PatientRef

FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
HTML = ((b"content-type", b"text/html; charset=utf-8"),)
LIST = Asked(b"/list", Action.LIST)
ROUTES: list[dict[str, Any]] = [
    {"id": "study", "path": "/studies/{id}", "action": "read", "kind": "imaging", "patient": {"in": "path", "name": "id"}},
    {"id": "note", "methods": ["POST"], "path": "/notes", "action": "write", "kind": "note",
     "patient": {"in": "form", "name": "hosp"}},
    {"id": "list", "path": "/list", "action": "list", "kind": "list", "patient": {"in": "answer", "pattern": "Hosp No: (H[0-9]+)"}},
]  # fmt: skip
OPTIONS: dict[str, Any] = {
    "log_off": {"path": "/logout"},
    "charset": "utf-8",
    "unnamed": "page",
    "browser_cookies": ["theme"],
    "routes": ROUTES,
}


class DeclaredContract(ConnectorContract):
    name: str  # the system's
    options: ClassVar[dict[str, Any]]  # beside those that all have
    skips: ClassVar = {
        "test_the_browser_s_cookies_stay_here": "the gateway takes out every cookie that `browser_cookies` does not "
        "declare, and the declared ones are passed on beside the session's",
        "test_the_browser_s_authorization_stays_here": "the gateway takes the header out before `prepare`, and what is "
        "left of a page's request goes on as it came",
    }

    def config(self) -> SystemConfig:
        return SystemConfig(
            self.name, self.name.capitalize(), f"http://{self.name}.test", OPTIONS | self.options, 65_536
        )

    def about(self, *ids: str) -> frozenset[PatientRef]:
        return frozenset(PatientRef(f"system:{self.name}", id_) for id_ in ids)

    def requests(self) -> list[Asked]:
        return [
            LIST,
            Asked(b"/studies/H123456?tab=a%e9", Action.READ, self.about("H123456")),
            Asked(b"/notes", Action.WRITE, self.about("H123456"), "POST", FORM, b"hosp=H123456&what=caf%C3%A9"),
            Asked(b"/unnamed;a=1?b", Action.ENTER),
        ]

    def answers(self) -> list[Answered]:
        return [Answered(LIST, HTML, b"<p>Hosp No: H1</p><p>Hosp No: H22</p>", self.about("H1", "H22"))]
