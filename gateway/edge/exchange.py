"""Between ASGI and our own messages: a request as it came in, an answer as it goes out.

A client that goes away while it sends is ClientGone, never the end of a body: half a prescription must not become a whole
one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from connectors.messages import Body, Headers, InboundRequest, UpstreamResponse

from ..errors import ClientGone

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def inbound(scope: Scope, receive: Receive, *, host: str, prefix: str, session: str) -> InboundRequest:
    """`prefix` is the path mount's own part, cut off the target."""
    headers: Headers = tuple(scope["headers"])
    length = next((value for name, value in headers if name == b"content-length"), None)
    target: bytes = scope["lanyard.target"]
    return InboundRequest(
        id=_new_id(),
        method=scope["method"],
        target=target[len(prefix) :] or b"/",
        headers=headers,
        body=_body(headers, receive),
        scheme=scope["scheme"],
        length=int(length) if length is not None else None,
        host=host,
        prefix=prefix,
        session=session,
    )


_BUFFERED = 256
_ids: list[str] = []


def _new_id() -> str:
    """128 random bits; drawn many at a time, since each draw is a system call."""
    if not _ids:
        drawn = secrets.token_hex(16 * _BUFFERED)
        _ids.extend(drawn[i : i + 32] for i in range(0, len(drawn), 32))
    return _ids.pop()


def _body(headers: Headers, receive: Receive) -> Body:
    for name, value in headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0"):
            return Body(_chunks(receive))
    return Body.of(b"")


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
        async for chunk in response.body.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
        await send({"type": "http.response.body", "body": b""})
        return sent
    finally:
        response.close()
