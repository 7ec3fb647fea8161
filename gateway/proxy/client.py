"""The httpx2 face of our transport, for connectors: no redirects, no environment, no shared cookie jar.

Each client is made for one purpose and thrown away: a client that two clinicians share sends one's cookies for the other.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx2

from connectors.messages import Body, UpstreamRequest

from .origin import Origin
from .upstream import FRAMING, Transport


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, body: Body, close: Callable[[], None]) -> None:
        self._body = body
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body.chunks():
            yield chunk

    async def aclose(self) -> None:
        self._close()


class UpstreamTransport(httpx2.AsyncBaseTransport):
    """Requests to one system's origin, and to the other hosts that its configuration names, over the gateway's pool.

    Targets are sent as httpx2 wrote them. Raises our errors, never httpx2's: UpstreamUnavailable, SystemMisbehaves.
    """

    def __init__(self, transport: Transport, origin: Origin) -> None:
        self._transport = transport
        self._origin = origin
        self._places: dict[tuple[str, str, int], Origin] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        origin = self._place(url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        headers = tuple((name.lower(), value) for name, value in request.headers.raw if name.lower() not in FRAMING)
        content = b"".join([chunk async for chunk in request.stream])  # type: ignore[union-attr]  # async by AsyncClient
        body = Body.of(content) if content else None
        answer = await self._transport.send(origin, UpstreamRequest(request.method, url.raw_path, headers, body))
        return httpx2.Response(answer.status, headers=list(answer.headers), stream=_Stream(answer.body, answer.close))

    def _place(self, scheme: str, host: str, port: int) -> Origin:
        """One Origin, and so one pool, for each place. `raw_path` is whole already: no base path is added."""
        place = self._places.get((scheme, host, port))
        if place is None:
            own = self._origin
            if (scheme, host, port) == (own.scheme, own.host, own.port):
                place = replace(own, base_path=b"")
            else:
                tls = (own.tls or ssl.create_default_context()) if scheme == "https" else None
                place = Origin(scheme, host, port, tls=tls, read_timeout=own.read_timeout)
            self._places[scheme, host, port] = place
        return place


def client(transport: UpstreamTransport) -> httpx2.AsyncClient:
    """A client of its own: its jar is empty and nobody else's."""
    return httpx2.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)
