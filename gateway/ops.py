"""The operators' listener: alive, ready, numbers, and how it is. Never on the public side."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from policies.engine import CedarEngine

from .metrics import Metrics
from .state import Parts, ready_of, state_of, together


def ops_app(metrics: Metrics, engine: CedarEngine, parts: Parts) -> Starlette:
    async def healthz(request: Request) -> Response:
        """The process answers: nothing more is asked."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        said = await ready_of(parts)
        return JSONResponse(said, 200 if said["ready"] else 503)

    async def statusz(request: Request) -> Response:
        """What `lanyard status` shows: also of a gateway that is not ready."""
        return JSONResponse(together([await state_of(parts)]))

    async def figures(request: Request) -> Response:
        metrics.journal_queue.set(parts.journal.waiting)
        metrics.policy_hits.set(engine.hits)
        metrics.policy_misses.set(engine.misses)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/statusz", statusz),
            Route("/metrics", figures),
        ]
    )
