"""Between ASGI and our own messages: a request as it came in, an answer as it goes out.

A client that goes away while it sends is ClientGone, never the end of a body: half a prescription must not become a whole
one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from connectors.messages import Body, InboundRequest, UpstreamResponse

from ..errors import ClientGone

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def inbound(scope: Scope, receive: Receive, *, host: str, prefix: str, session: str) -> InboundRequest:
    """`prefix` is the path mount's own part, cut off the target."""
    target: bytes = scope["lanyard.target"]
    request = InboundRequest(
        new_id(),
        scope["method"],
        target[len(prefix) :] or b"/",
        tuple(scope["headers"]),
        Body.of(b""),
        scope["scheme"],
        host,
        prefix,
        None,
        session,
    )
    length = request.header(b"content-length")
    if length is not None:
        request.length = int(length)
    if request.length or request.header(b"transfer-encoding") is not None:
        request.body = Body(_chunks(receive))
    return request


_BUFFERED = 256
_ids: list[str] = []


def new_id() -> str:
    """128 random bits; drawn many at a time, since each draw is a system call."""
    if not _ids:
        drawn = secrets.token_hex(16 * _BUFFERED)
        _ids.extend(drawn[i : i + 32] for i in range(0, len(drawn), 32))
    return _ids.pop()


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the browser went away before it had sent everything")
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk


async def send_answer(send: Send, response: UpstreamResponse, *, head: bool) -> int:
    """Stream the answer; returns the body bytes sent. The upstream connection is given up when anything fails."""
    sent = 0
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
        whole = response.body.whole
        if whole is not None or head:
            body = b"" if head or whole is None else whole
            await send({"type": "http.response.body", "body": body})
            return len(body)
        await send(
            {"type": "http.response.body", "body": b"", "more_body": True}
        )  # the head: the body may take its time
        async for chunk in response.body.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
        await send({"type": "http.response.body", "body": b""})
        return sent
    finally:
        response.close()
