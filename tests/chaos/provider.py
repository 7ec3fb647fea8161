"""An identity provider that costs little, counts what it is asked for, and takes as long as a row wants.

python -m tests.chaos.provider PORT
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import parse_qsl

from benchmarks.provider import CLIENT, Stub, serve, stub_provider

__all__ = ["CLIENT", "asked", "provider", "slow"]


class Provider(Stub):
    """The bench's, which also refreshes tokens, and tells how often each grant was asked for."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer)
        self.grants: Counter[str] = Counter()  # and of all questions, as `asked`
        self.takes = 0.0

    def _answer(self, path: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        if path == "/asked":
            return dict(self.grants)
        if path.startswith("/slow/"):
            self.takes = float(path.rpartition("/")[2])
            return {}
        self.grants["asked"] += 1
        if path == "/token":
            asked = dict(parse_qsl(body))
            self.grants[asked["grant_type"]] += 1
            return self._tokens(asked.get("code") or asked["refresh_token"])
        return super()._answer(path, headers, body)

    async def wait(self, path: str) -> None:
        if path == "/token":
            await asyncio.sleep(self.takes)


def provider() -> AbstractContextManager[str]:
    """Its issuer."""
    return stub_provider("tests.chaos.provider")


def asked(issuer: str) -> dict[str, int]:
    """How often each grant was asked for; `asked`: all questions."""
    with urllib.request.urlopen(f"{issuer}/asked", timeout=5) as answer:
        return dict(json.load(answer))


def slow(issuer: str, seconds: float) -> None:
    """Each answer with tokens takes so long from now on."""
    urllib.request.urlopen(f"{issuer}/slow/{seconds}", timeout=5).close()


if __name__ == "__main__":
    serve(Provider)
