"""The header connector holds to the contract of connectors."""

from __future__ import annotations

from typing import ClassVar

from connectors.base import UpstreamSession
from connectors.header import HeaderConnector

from ..declared import DeclaredContract


class TestHeader(DeclaredContract):
    package = "connectors.header"
    name = "orders"
    options: ClassVar = {
        "headers": {"X-Remote-User": "{account}", "X-Remote-Name": "{name}"},
        "assertion": "X-Lanyard-Assertion",
        "audience": "https://orders.test",
        "logged_off": {"text": "Your session has ended"},
    }

    def connector(self) -> HeaderConnector:
        return HeaderConnector(self.config())

    def session(self, secret: str) -> UpstreamSession:
        cookie = {"name": "SID", "value": secret, "domain": "orders.test", "path": "/", "secure": False}
        return UpstreamSession("s", "orders", {"cookies": [{**cookie, "expires": None, "discard": True}]})
