"""An identity provider that costs little, counts what it is asked for, and takes as long as a row wants.

python -m tests.chaos.provider PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from benchmarks.provider import CLIENT, Stub
from demo.ports import free_port

__all__ = ["CLIENT", "asked", "provider", "slow"]


class Provider(Stub):
    """The bench's, which also refreshes tokens, and tells how often each grant was asked for."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer)
        self.grants: Counter[str] = Counter()
        self.takes = 0.0

    def _answer(self, path: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        if path == "/asked":
            return dict(self.grants)
        if path.startswith("/slow/"):
            self.takes = float(path.rpartition("/")[2])
            return {}
        if path == "/token":
            asked = dict(parse_qsl(body))
            self.grants[asked["grant_type"]] += 1
            return self._tokens(asked.get("code") or asked["refresh_token"])
        return super()._answer(path, headers, body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                path = urlsplit(head[0].split(" ")[1]).path
                said = json.dumps(self._answer(path, headers, body)).encode()
                if path == "/token":
                    await asyncio.sleep(self.takes)
                kind = b"content-type: application/json\r\ncache-control: no-store\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (kind, len(said), said))
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """Its issuer."""
    port = free_port()
    command = [sys.executable, "-m", "tests.chaos.provider", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            if running.stdout.readline() != b"ready\n":
                raise RuntimeError("the provider did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


def asked(issuer: str) -> dict[str, int]:
    """How often each grant was asked for."""
    with urllib.request.urlopen(f"{issuer}/asked", timeout=5) as answer:
        return dict(json.load(answer))


def slow(issuer: str, seconds: float) -> None:
    """Each answer with tokens takes so long from now on."""
    urllib.request.urlopen(f"{issuer}/slow/{seconds}", timeout=5).close()


async def main(port: int) -> None:
    server = await asyncio.start_server(Provider(f"http://127.0.0.1:{port}").serve, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
