"""A provider that costs nothing: in a process of its own, whose CPU is not counted, and whose time is told apart.

    python -m benchmarks.provider PORT

It asks nobody: a browser makes up its own code (`code_for`), which says whose sign-on it is. `/spent` says how long all answers took,
and how often it was asked by a gateway for what a sign-on needs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from demo.ports import free_port
from sso.testing import rsa_key, signed

from . import tokens

CLIENT = "bench"


def code_for(authorisation: str, subject: str) -> str:
    """The code with which a browser comes back from this authorisation request as `subject`."""
    nonce = parse_qs(urlsplit(authorisation).query)["nonce"][0]
    return base64.urlsafe_b64encode(json.dumps([nonce, subject]).encode()).decode()


class Stub:
    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._key = rsa_key()
        self._spent = 0.0
        self._asked = 0

    def _answer(self, path: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        match path:
            case "/.well-known/openid-configuration":
                return self._metadata()
            case "/jwks":
                return {"keys": [self._key.as_dict(private=False)]}
            case "/token":
                self._asked += 1
                return self._tokens(dict(parse_qsl(body))["code"])
            case "/userinfo":
                self._asked += 1
                return {"sub": headers["authorization"].removeprefix("Bearer ").rpartition(".")[0]}
            case _:
                return {"seconds": self._spent, "asked": self._asked}

    def _metadata(self) -> dict[str, Any]:
        i = self._issuer
        return {
            "issuer": i, "authorization_endpoint": f"{i}/authorize", "token_endpoint": f"{i}/token",
            "userinfo_endpoint": f"{i}/userinfo", "jwks_uri": f"{i}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip

    def _tokens(self, code: str) -> dict[str, Any]:
        """`code`: also a refresh token, which begins with it."""
        code = code.partition(".")[0]
        nonce, subject = json.loads(base64.urlsafe_b64decode(code))
        access = tokens.access_token(subject)
        said = tokens.claims(self._issuer, CLIENT, subject, int(time.time()), nonce)
        digest = hashlib.sha256(access.encode()).digest()[:16]
        said["at_hash"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": signed({"alg": "RS256", "kid": self._key.kid}, json.dumps(said).encode(), self._key),
            "refresh_token": tokens.refresh_token(code),
        }

    async def wait(self, path: str) -> None:
        """Before what is asked there is answered."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                begun = time.perf_counter()
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                path = urlsplit(head[0].split(" ")[1]).path
                said = json.dumps(self._answer(path, headers, body)).encode()
                await self.wait(path)
                kind = b"content-type: application/json\r\ncache-control: no-store\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (kind, len(said), said))
                await writer.drain()
                self._spent += time.perf_counter() - begun
        writer.close()


@contextlib.contextmanager
def stub_provider(module: str = "benchmarks.provider") -> Iterator[str]:
    """Its issuer. `module`: whose `serve` it is."""
    port = free_port()
    command = [sys.executable, "-m", module, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            if running.stdout.readline() != b"ready\n":
                raise RuntimeError("the stub provider did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


def spent(issuer: str) -> float:
    """Seconds that the provider has taken for its answers so far."""
    return _told(issuer)["seconds"]


def asked(issuer: str) -> int:
    """How often it was asked for tokens or UserInfo."""
    return int(_told(issuer)["asked"])


def _told(issuer: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{issuer}/spent", timeout=5) as answer:
        found: dict[str, float] = json.load(answer)
    return found


async def _listening(kind: type[Stub], port: int) -> None:
    server = await asyncio.start_server(kind(f"http://127.0.0.1:{port}").serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


def serve(kind: type[Stub]) -> None:
    """At the port that the command line names, until it is ended."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listening(kind, int(sys.argv[1])))


if __name__ == "__main__":
    serve(Stub)
