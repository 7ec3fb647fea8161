"""The operators' listener: alive, ready, and numbers, of all workers together. Never on the public side.

It is the parent's, so that a worker that hangs or is gone is told of, not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..metrics import families
from .crew import Crew
from .member import Member
from .together import Sums

_PATIENCE = 1.0  # seconds for a worker to answer
_WELL = ("ok", "no")  # of a part that is as it should be


class Bridge:
    """`crews`: those that run; the first of them is the one that takes what comes now."""

    def __init__(self, crews: Callable[[], list[Crew]], draining: Callable[[], bool]) -> None:
        self._crews = crews
        self._draining = draining
        self._gone = Sums()
        self._registry = CollectorRegistry()
        self._workers = Gauge("lanyard_workers", "Workers that serve", registry=self._registry)
        self._ends = Counter("lanyard_worker_ends", "Workers that are gone", ["how"], registry=self._registry)
        self._changes = Counter(
            "lanyard_configurations", "Configurations while running", ["outcome"], registry=self._registry
        )
        routes = [("/healthz", self._health), ("/readyz", self._ready), ("/metrics", self._figures)]
        self.app = Starlette(routes=[Route(path, endpoint) for path, endpoint in routes])

    def ended(self, member: Member, how: str) -> None:
        """What a worker had counted stays counted; as far as it had told."""
        self._ends.labels(how).inc()
        self._gone.add(member.figures, gone=True)
        member.figures = []

    def changed(self, outcome: str) -> None:
        """`taken` or `rejected`."""
        self._changes.labels(outcome).inc()

    async def _health(self, request: Request) -> Response:
        """The process answers: nothing more is asked."""
        return PlainTextResponse("ok\n")

    async def _ready(self, request: Request) -> Response:
        """Whether requests should come here: one worker that takes them is enough."""
        crew, draining = self._crews()[0], self._draining()
        told = await ready_parts(crew)
        ready = crew.serving and not draining and any(one["ready"] for one in told.values())
        told_parts = {"ready": ready, **_worst(told), "draining": "yes" if draining else "no", "workers": told}
        return JSONResponse(told_parts, 200 if ready else 503)

    async def _figures(self, request: Request) -> Response:
        members = [member for crew in self._crews() for member in crew.members]
        await asyncio.gather(*(member.counted(_PATIENCE) for member in members))
        self._workers.set(sum(member.ready for member in members))
        sums = Sums()
        sums.add(families(self._registry))
        sums.add(self._gone.families())
        for member in members:
            sums.add(member.figures)
        return Response(sums.text(), media_type="text/plain; version=0.0.4")


async def ready_parts(crew: Crew) -> dict[str, dict[str, Any]]:
    """What each worker says of itself, by its number."""
    members = crew.members
    said = await asyncio.gather(*(member.parts(_PATIENCE) for member in members))
    return {str(member.number): parts for member, parts in zip(members, said, strict=True)}


def _worst(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Of each part, what a worker says where it is not well."""
    worst: dict[str, str] = {}
    for parts in told.values():
        for part, state in parts.items():
            if isinstance(state, str) and part != "answers" and worst.get(part, "ok") in _WELL:
                worst[part] = state
    return worst
