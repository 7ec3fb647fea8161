"""Medplum's own FHIR R4 router over its repository in memory, from npm: a FHIR server that nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from .processes import node

_FOLDER = Path(__file__).parent / "fhir"
TOKEN = "medplum token for tests only"  # every call but /metadata needs it
MEDIA_TYPE = "application/fhir+json"


@dataclass(frozen=True)
class Medplum:
    """A running server. `base` is its FHIR base address."""

    base: str
    _seen: str = field(repr=False)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"

    def asked(self) -> list[dict[str, Any]]:
        """What has reached it since the last time that this was called, oldest first."""
        found: list[dict[str, Any]] = httpx2.get(self._seen, trust_env=False).json()
        return found

    def put(self, resource: dict[str, Any]) -> None:
        """Keep a resource under its own id, past the gateway."""
        self._sent("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)

    def transaction(self, bundle: dict[str, Any]) -> list[dict[str, Any]]:
        """Do a transaction, past the gateway; what it kept, in the order of the bundle's entries."""
        return [entry["resource"] for entry in self._sent("POST", "/", bundle)["entry"]]

    def _sent(self, method: str, path: str, resource: dict[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": MEDIA_TYPE}
        answer = httpx2.request(
            method, self.base + path, headers=headers, json=resource, timeout=60, trust_env=False
        ).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def medplum() -> Iterator[Medplum]:
    with node(_FOLDER, "fhir.mjs", {"TOKEN": TOKEN}) as said:
        yield Medplum(*said)
