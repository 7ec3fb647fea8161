"""How the gateway is known to a FHIR server: fixed values, and tokens that are fetched once and kept."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from connectors.base import ConnectorTools
from connectors.errors import SystemUnavailable
from connectors.fhir.access import access_for
from connectors.samples import Signed
from sso.seal import Seal


class Server:
    """An authorisation server that counts, and a clock."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.basic: list[str] = []
        self.now = 1000.0
        self.status = status

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(parse_qs(request.content.decode()))
        self.basic.append(request.headers.get("authorization", ""))
        return httpx2.Response(self.status, json={"access_token": f"token{len(self.asked)}", "expires_in": 300})

    def tools(self) -> ConnectorTools:
        return ConnectorTools(
            lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer)),
            Seal([b"k" * 32]),
            lambda: self.now,
            Signed(),
        )


def options(tmp_path: Path, **more: Any) -> dict[str, Any]:
    (tmp_path / "secret").write_text("s3cret")
    return {"auth": "client_credentials", "token_url": "https://as.test/token", "client_id": "lanyard", **more}


async def test_a_token_is_fetched_once_for_many_and_again_before_it_ends(tmp_path: Path) -> None:
    """Fifty requests at once share one; half a minute before its end there is another."""
    server = Server()
    access = access_for(options(tmp_path, client_secret={"file": str(tmp_path / "secret")}), server.tools())
    assert set(await asyncio.gather(*(access.authorization() for _ in range(50)))) == {b"Bearer token1"}
    server.now += 271
    assert await access.authorization() == b"Bearer token2"
    assert base64.b64decode(server.basic[0].removeprefix("Basic ")) == b"lanyard:s3cret"


async def test_a_token_that_was_refused_is_not_handed_out_again(tmp_path: Path) -> None:
    """The server's 401 ends a token's life."""
    server = Server()
    access = access_for(options(tmp_path, client_secret={"file": str(tmp_path / "secret")}), server.tools())
    await access.authorization()
    await access.rejected()
    assert await access.authorization() == b"Bearer token2"


async def test_an_assertion_is_signed_anew_each_time(tmp_path: Path) -> None:
    """SMART Backend Services: `jti` differs, the audience is the token endpoint, five minutes at most."""
    key = ECKey.generate_key("P-384")
    (tmp_path / "key").write_bytes(key.as_pem(private=True))
    server = Server()
    access = access_for(options(tmp_path, client_key={"file": str(tmp_path / "key")}, client_kid="k1"), server.tools())
    await access.authorization()
    await access.rejected()
    await access.authorization()
    signed = [jwt.decode(form["client_assertion"][0], key, algorithms=["ES384"]) for form in server.asked]
    assert {s.header["kid"] for s in signed} == {"k1"}
    assert {s.claims["aud"] for s in signed} == {"https://as.test/token"}
    assert len({s.claims["jti"] for s in signed}) == 2
    assert all(s.claims["exp"] - s.claims["iat"] <= 300 for s in signed)


async def test_a_server_that_gives_no_token_is_unavailable(tmp_path: Path) -> None:
    """Nothing of its answer is repeated."""
    access = access_for(options(tmp_path, client_secret={"file": str(tmp_path / "secret")}), Server(400).tools())
    with pytest.raises(SystemUnavailable):
        await access.authorization()


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    """The reference, never a value."""
    with pytest.raises(ValueError, match="nowhere"):
        access_for({"auth": "bearer", "token": {"file": str(tmp_path / "nowhere")}}, Server().tools())
