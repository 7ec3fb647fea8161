"""The operators' listener: alive, ready, and numbers. Never on the public side."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from policies.engine import CedarEngine
from sso.errors import StoreUnavailable

from .audit.journal import Journal
from .metrics import Metrics
from .stores.base import Store


def ops_app(
    metrics: Metrics, engine: CedarEngine, journal: Journal, store: Store, draining: asyncio.Event
) -> Starlette:
    async def healthz(request: Request) -> Response:
        """The process answers: nothing more is asked."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        """Whether requests should come here. An upstream that is down is no reason to say no."""
        parts = {"draining": "yes" if draining.is_set() else "no", "journal": journal.state, "store": "ok"}
        try:
            await store.heard(None)
        except StoreUnavailable:
            parts["store"] = "unavailable"
        ready = (
            parts["draining"] == "no"
            and parts["store"] == "ok"
            and parts["journal"] in ("ok", "alarm", "break-glass-only")
        )
        return JSONResponse({"ready": ready, **parts}, 200 if ready else 503)

    async def figures(request: Request) -> Response:
        metrics.journal_queue.set(journal.waiting)
        metrics.policy_hits.set(engine.hits)
        metrics.policy_misses.set(engine.misses)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", figures)])
