"""Starts and stops two OpenID providers from npm: the certified oidc-provider, and oauth2-mock-server, which can lie.

`oidc_provider(clients)` and `lying_provider()` are context managers; `tests/conftest.py` makes fixtures of them. The
npm packages are installed next to package.json at first use. Without node they are skipped, loudly; where `CI` is set
they fail.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import httpx2

from .processes import node

_FOLDER = Path(__file__).parent / "oidc"
USERS: dict[str, dict[str, Any]] = {
    "n.okoye": {"password": "battery staple", "name": "N Okoye", "roles": ["nurse"]},
    "dr.lee": {"password": "correct horse", "name": "Lee Adler", "roles": ["doctor", "ed"]},
    "r.singh": {"password": "paper clip", "name": "R Singh", "roles": ["receptionist"]},
    "p.watt": {"password": "sealed letter", "name": "P Watt", "roles": ["privacy-officer"]},
    "s.reid": {"password": "spare key", "name": "Sam Reid", "roles": ["security-officer"]},
    "x.guest": {"password": "no role", "name": "X Guest", "roles": []},
}
OTP = "000000"
SMARTCARD = "333333"  # in its place


@dataclass(frozen=True)
class OidcProvider:
    """A running oidc-provider."""

    issuer: str


@dataclass(frozen=True)
class LyingProvider:
    """A running oauth2-mock-server. `modes` are the lies it knows, `ok` among them."""

    issuer: str
    modes: tuple[str, ...]
    _control: str = field(repr=False)

    def tell(self, mode: str) -> None:
        """From now on it lies in this way."""
        urllib.request.urlopen(f"{self._control}/{mode}", timeout=5).close()


def client(client_id: str, redirect_uri: str, **changes: Any) -> dict[str, Any]:
    """A client's registration, as RFC 7591 names it; a change to None takes a name out."""
    fields = {
        "client_id": client_id,
        "client_secret": secret_of(client_id),
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [redirect_uri],
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def secret_of(client_id: str) -> str:
    return f"{client_id} secret +/% 0123456789abcdef0123456789"


@contextmanager
def oidc_provider(
    clients: list[dict[str, Any]],
    *,
    users: dict[str, dict[str, Any]] | None = None,
    origin: str | None = None,
    host: str | None = None,
) -> Iterator[OidcProvider]:
    """The certified provider with these clients. `origin`: its issuer by another name, e.g. `http://idp.localhost:{port}`.

    `host`: the address that it listens on, in place of 127.0.0.1.
    """
    config = {"clients": clients, "users": users or USERS, "origin": origin, "host": host}
    with node(
        _FOLDER, "op.mjs", {"CONFIG": json.dumps({name: value for name, value in config.items() if value})}
    ) as said:
        yield OidcProvider(said[0])


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    """The provider that lies on demand."""
    with node(_FOLDER, "mock.mjs", {}) as said:
        yield LyingProvider(said[0], tuple(said[2:]), said[1])


class Browser:
    """As much of a browser as a sign-on needs: a cookie jar that lives as long as the test, redirects, one form."""

    def __init__(self, stop_at: str) -> None:
        """`stop_at`: URLs that begin so are ours, and are returned instead of visited."""
        self._stop_at = stop_at
        self._client = httpx2.AsyncClient(follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def visit(self, url: str) -> httpx2.Response | str:
        """The page at the end of the redirects, or the URL of ours that they lead to."""
        return await self._followed(await self._client.get(url))

    async def submit(self, page: httpx2.Response, **fields: str) -> httpx2.Response | str:
        """Posts the page's form, its hidden fields included."""
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        body = urlencode({**hidden, **fields})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        target = urljoin(str(page.url), action[1])
        return await self._followed(await self._client.post(target, content=body, headers=headers))

    async def _followed(self, response: httpx2.Response) -> httpx2.Response | str:
        while response.is_redirect:
            url = urljoin(str(response.url), response.headers["location"])
            if url.startswith(self._stop_at):
                return url
            response = await self._client.get(url)
        return response
