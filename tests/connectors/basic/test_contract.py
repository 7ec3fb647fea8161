"""The basic connector holds to the contract of connectors."""

from __future__ import annotations

from typing import ClassVar

import httpx2

from connectors.base import UpstreamSession
from connectors.basic import BasicConnector

from ..declared import DeclaredContract


class TestBasic(DeclaredContract):
    package = "connectors.basic"
    name = "archive"
    options: ClassVar = {"probe": "/app/explorer.html", "scheme": "basic", "credential_charset": "utf-8"}
    skips: ClassVar = DeclaredContract.skips | {
        "test_the_browser_s_authorization_stays_here": "the gateway takes `proxy-authorization` out before `prepare`; "
        "`authorization` is replaced here, which tests/connectors/basic/test_connector.py shows",
    }

    def connector(self) -> BasicConnector:
        return BasicConnector(self.config())

    def session(self, secret: str) -> UpstreamSession:
        return UpstreamSession("s", "archive", {"cookies": [], "authorization": f"Basic {secret}"})

    def system(self, request: httpx2.Request) -> httpx2.Response:
        if "authorization" in request.headers:
            return httpx2.Response(200, content=b"Welcome")
        return httpx2.Response(401, headers={"www-authenticate": 'Basic realm="Archive"'})
