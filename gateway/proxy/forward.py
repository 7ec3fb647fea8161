"""Carry a request to its system, under a receipt of the journal."""

from __future__ import annotations

from collections.abc import Awaitable

from connectors.messages import UpstreamRequest, UpstreamResponse

from ..audit.event import AssetReceipt, AuditReceipt
from .origin import Origin
from .upstream import Transport


def forward(
    transport: Transport,
    origin: Origin,
    request: UpstreamRequest,
    receipt: AuditReceipt | AssetReceipt,
    request_id: str,
    *,
    once: bool = False,
) -> Awaitable[UpstreamResponse]:
    """`once`: for a route declared as changing, whose GET may not be repeated on a stale connection either.

    Raises UpstreamUnavailable, SystemMisbehaves, SystemUnavailable; AssertionError where the receipt is another request's, or no
    permit.
    """
    if receipt.verdict != "permit" or receipt.request != request_id:
        raise AssertionError("nothing is forwarded without its own permit in the journal")
    return transport.send(origin, request, once=once)
