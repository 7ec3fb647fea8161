"""A live log-on at a system: whose it is, what is behind it, and which pages it has shown."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from connectors.base import UpstreamSession

_PAGES_REMEMBERED = 4096

Key = tuple[str, str, str]  # (kind of owner, owner, system)


@dataclass(slots=True)
class LogOn:
    """A live log-on: the session, how many there were before it, and which pages it has shown."""

    key: Key
    holder: str  # the session that it was made for
    session: UpstreamSession
    generation: int
    again: bool  # an earlier log-on of the same owner died: forms of its pages must not be sent into this one
    dirty: bool = False
    pages: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    shown: int = 0  # how many pages: with another one on a screen the system may be at another patient

    def showed(self, target: bytes) -> None:
        """Remember that this log-on's page is on a screen."""
        self.shown += 1
        page = _page(target)
        self.pages[page] = None
        self.pages.move_to_end(page)
        if len(self.pages) > _PAGES_REMEMBERED:
            self.pages.popitem(last=False)

    def knows(self, target: bytes) -> bool:
        return _page(target) in self.pages


def _page(target: bytes) -> bytes:
    return hashlib.blake2b(target, digest_size=16).digest()
