"""Nothing is carried without its own receipt."""

from __future__ import annotations

import pytest

from connectors.messages import UpstreamRequest
from gateway.audit.event import AssetReceipt, AuditReceipt
from gateway.proxy.forward import forward
from tests.gateway.proxy.scripted import plays, transport, upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "receipt",
    [AuditReceipt("another", "permit", 1), AuditReceipt("this", "deny", 1), AuditReceipt("this", "", 1), AssetReceipt("another")],
    ids=["another request's", "a denial", "no verdict", "another asset's"],
)  # fmt: skip
async def test_without_its_own_permit_nothing_reaches_the_system(receipt: AuditReceipt | AssetReceipt) -> None:
    """A receipt of another request, or of a denial, is a mistake of ours: no byte is written."""
    async with upstream(plays(OK)) as up, transport() as t:
        with pytest.raises(AssertionError):
            await forward(t, up.origin(), UpstreamRequest("GET", b"/", ((b"host", b"pas"),)), receipt, "this")
    assert up.peers == []


@pytest.mark.parametrize("receipt", [AuditReceipt("this", "permit", 1), AssetReceipt("this")], ids=["record", "asset"])
async def test_with_its_own_permit_a_request_is_carried(receipt: AuditReceipt | AssetReceipt) -> None:
    """What the journal has written down goes on."""
    async with upstream(plays(OK)) as up, transport() as t:
        answer = await forward(t, up.origin(), UpstreamRequest("GET", b"/", ((b"host", b"pas"),)), receipt, "this")
    assert answer.body.whole == b"ok"
