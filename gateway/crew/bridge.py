"""The operators' listener: alive, ready, and numbers, of all workers together. Never on the public side.

It is the parent's, so that a worker that hangs or is gone is told of, not waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..alarms.standing import Report, Standing
from ..metrics import families
from ..state import together
from .crew import Crew
from .member import Member
from .together import Sums

_PATIENCE = 1.0  # seconds for a worker to answer
_PARTS = ("draining", "journal", "store")
_WELL = ("ok", "no")  # of a part that is as it should be


class Bridge:
    """`crews`: those that run; the first of them is the one that takes what comes now."""

    def __init__(self, crews: Callable[[], list[Crew]], draining: Callable[[], bool], standing: Standing) -> None:
        """`standing` hears of workers that died."""
        self._crews = crews
        self._standing = standing
        self._began = time.time()
        self._draining = draining
        self._gone = Sums()
        self._registry = CollectorRegistry()
        self._workers = Gauge("lanyard_workers", "Workers that serve", registry=self._registry)
        self._ends = Counter("lanyard_worker_ends", "Workers that are gone", ["how"], registry=self._registry)
        self._changes = Counter(
            "lanyard_configurations", "Configurations while running", ["outcome"], registry=self._registry
        )
        routes = [
            ("/healthz", self._health),
            ("/readyz", self._ready),
            ("/statusz", self._status),
            ("/metrics", self._figures),
        ]
        self.app = Starlette(routes=[Route(path, endpoint) for path, endpoint in routes])

    def ended(self, member: Member, how: str) -> None:
        """What a worker had counted stays counted; as far as it had told."""
        self._ends.labels(how).inc()
        if how in ("died", "hung"):
            self._standing.say("workers", how)
            self._standing.say("workers", "ok")  # another is begun; that it happened is what is told
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
        told = await ready_parts(self._crews()[0])
        parts = self._parts(told)
        return JSONResponse({**parts, "workers": told}, 200 if parts["ready"] else 503)

    async def _status(self, request: Request) -> Response:
        """What `lanyard status` shows: also of a gateway that is not ready."""
        crew = self._crews()[0]
        told = await ready_parts(crew, "state")
        state = together(crew.taken.config, self._began, time.time(), self._parts(told), told, self.reports())
        return JSONResponse(state)

    def reports(self) -> list[Report]:
        """Of the controls of every process. From any thread."""
        workers = [report for crew in self._crews() for member in crew.members for report in member.reports]
        return [*self._standing.reports(), *workers]

    def _parts(self, told: dict[str, dict[str, Any]]) -> dict[str, Any]:
        crew, draining = self._crews()[0], self._draining()
        ready = crew.serving and not draining and any(one["ready"] for one in told.values())
        silent = sorted({name for one in told.values() for name in one.get("silent", ())})
        return {"ready": ready, **_worst(told), "draining": "yes" if draining else "no", "silent_systems": silent}

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


async def ready_parts(crew: Crew, what: str = "parts") -> dict[str, dict[str, Any]]:
    """What each worker says of itself, by its number."""
    members = crew.members
    said = await asyncio.gather(*(member.parts(_PATIENCE, what) for member in members))
    return {str(member.number): parts for member, parts in zip(members, said, strict=True)}


def _worst(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Of each part, what a worker says where it is not well."""
    worst: dict[str, str] = {}
    for parts in told.values():
        for part, state in parts.items():
            if isinstance(state, str) and part in _PARTS and worst.get(part, "ok") in _WELL:
                worst[part] = state
    return worst
