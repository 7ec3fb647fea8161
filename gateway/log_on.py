"""A live log-on at a system: whose it is, what is behind it, and which pages it has shown."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from connectors.base import UpstreamSession
from connectors.messages import InboundRequest
from policies.model import PatientRef

from .current_patient import ADDRESS, KEPT, CurrentPatient, Pages

Key = tuple[str, str, str]  # (kind of owner, owner, system)


@dataclass(slots=True)
class LogOn:
    """A live log-on: the session, how many there were before it, and which pages it has shown."""

    key: Key
    holder: str  # the session that it was made for
    session: UpstreamSession
    generation: int
    again: bool  # an earlier log-on of the same owner died: forms of its pages must not be sent into this one
    dirty: bool = False  # changed, and not written yet
    version: int = 0  # as it was last read or written
    id: str = field(default_factory=lambda: secrets.token_hex(16))  # the session's own may be any system's
    pages: Pages = field(default_factory=dict)
    idle: bool = False  # since it was last looked for who is
    shown: int = 0  # how many pages: with another one on a screen the system may be at another patient
    current: CurrentPatient = field(init=False)

    def __post_init__(self) -> None:
        self.current = CurrentPatient(self.id, self.pages)

    @classmethod
    def of(cls, key: Key, kept: bytes, version: int) -> LogOn:
        """From another gateway, or from before a restart."""
        value = json.loads(kept, object_pairs_hook=_with_names_once)
        session = UpstreamSession(value["id"], key[2], value["state"])
        pages: Pages = {bytes.fromhex(p): () for p in value.get("pages", ())}
        live = cls(
            key,
            key[1] if value["holder"] == key[1] else value["holder"],  # one object in memory
            session,
            value["generation"],
            again=value["again"],
            version=version,
            id=value.get("log_on", session.id),
            pages=pages,
        )
        # Where writing may lag behind, what was shown last is not known: what was written before a restart belongs nowhere.
        live.shown = value["shown"] if "current" in value else secrets.randbits(40)
        live.current.at = frozenset(PatientRef(*ref) for ref in value.get("at", ()))
        if "current" in value:
            live.current.learn(value["current"])
        return live

    def kept(self, *, whole: bool) -> bytes:
        """`whole`: with all that a form is judged by, for other gateways. Else what has to survive a restart."""
        value: dict[str, Any] = {
            "log_on": self.id,
            "id": self.session.id,
            "state": self.session.state,
            "holder": self.holder,
            "generation": self.generation,
            "again": self.again,
            "shown": self.shown,
            "at": sorted((ref.namespace, ref.value) for ref in self.current.at),
        }
        if whole:
            value["current"] = self.current.known()
        elif self.again:
            value["pages"] = [page.hex() for page in list(self.pages)[-KEPT:]]
        return json.dumps(value).encode()

    def showed(self, target: bytes) -> None:
        """Remember that this log-on's page is on a screen."""
        self.shown += 1
        page = address(target)
        self.current.remember(page, self.pages.pop(page, ()))

    def knows(self, target: bytes) -> bool:
        return address(target) in self.pages


def _with_names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Thousands of log-ons name what they are made of alike."""
    return {sys.intern(name): value for name, value in pairs}


@lru_cache(maxsize=64)
def address(target: bytes) -> bytes:
    """A page by the target that it was asked for with; one object for whoever remembers it just now."""
    return hashlib.blake2b(target, digest_size=ADDRESS).digest()


def came_from(inbound: InboundRequest) -> bytes:
    """The target of the page that a request says it comes from; empty where it says nothing."""
    referer = inbound.header(b"referer")
    parts = urlsplit(referer.decode("latin-1")) if referer else None
    if parts is None:
        return b""
    return (f"{parts.path}?{parts.query}" if parts.query else parts.path).encode("latin-1")
