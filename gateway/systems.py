"""A configured system as the gateway holds it: its connector, where it is, what may pass, how it is doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.base import Connector, Share, State

from .config import SystemTable

if TYPE_CHECKING:
    from connectors.manifest import Manifest

    from .proxy.headers import Passage
    from .proxy.limits import Bulkhead
    from .proxy.upstream import Origin


@dataclass(slots=True)
class System:
    """One `[[systems]]` entry, opened."""

    table: SystemTable
    manifest: Manifest
    connector: Connector
    origin: Origin
    passage: Passage
    bulkhead: Bulkhead
    host: str  # the public host (and port) that it is reached at
    share: Share
    state: State
    keepable: frozenset[str] = field(default_factory=frozenset)

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def title(self) -> str:
        return self.table.title
