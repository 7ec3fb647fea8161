"""What a worker tells about itself, when the parent asks for operators: whether it is ready, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.engine import CedarEngine
from sso.errors import StoreUnavailable

from .alarms.standing import Standing
from .audit.journal import Journal
from .central.ship import Shipper
from .metrics import Families, Metrics
from .state import worker_state
from .stores.base import Store
from .systems import System

_PATIENCE = 0.5  # seconds for the store, well within the parent's own


@dataclass(slots=True)
class Readings:
    metrics: Metrics
    engine: CedarEngine
    journal: Journal
    store: Store
    writer: str
    systems: Mapping[str, System]
    standing: Standing
    shipper: Shipper | None = None
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    async def parts(self) -> dict[str, Any]:
        """Whether requests should come here, and why not. An upstream that is down is no reason to say no."""
        parts = {"draining": "yes" if self.draining.is_set() else "no", "journal": self.journal.state, "store": "ok"}
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.store.heard(None)
        except (StoreUnavailable, TimeoutError):
            parts["store"] = "unavailable"
        ready = (
            parts["draining"] == "no"
            and parts["store"] == "ok"
            and parts["journal"] in ("ok", "alarm", "break-glass-only")
        )
        silent = [name for name, system in self.systems.items() if system.breaker.open]
        return {"ready": ready, **parts, "silent": silent}

    async def state(self) -> dict[str, Any]:
        """More than whether it is ready, for a person to read."""
        return {**await self.parts(), **worker_state(self.writer, self.journal, self.systems, self.shipper)}

    def figures(self) -> Families:
        self.metrics.journal_queue.set(self.journal.waiting)
        self.metrics.policy_hits.set(self.engine.hits)
        self.metrics.policy_misses.set(self.engine.misses)
        return self.metrics.families()
