"""Did this request come from a page of its own origin? Pure.

What changes something must say so itself: `Sec-Fetch-Site: same-origin`, or our exact Origin where a browser sends no Sec-Fetch.
What another origin's page loads into itself (a picture, a script, a frame) is refused too, since pages of sibling hosts are the
same site, and SameSite cookies do not tell them apart.
"""

from __future__ import annotations

from connectors.messages import InboundRequest

from ..errors import CrossSite

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def require_own_page(inbound: InboundRequest, *, changing: bool, allowed: frozenset[str] = frozenset()) -> None:
    """Raises CrossSite. `allowed`: public origins of systems whose pages may open and send forms to this one."""
    site = inbound.header(b"sec-fetch-site") or b""
    if site == b"same-origin":
        return
    origin = inbound.header(b"origin") or b""
    if origin and origin.decode("latin-1") in allowed:
        return
    if changing or inbound.method not in SAFE:
        own = f"{inbound.scheme}://{inbound.host}".encode()
        if site or origin != own:
            raise CrossSite("what changes something must come from a page of this system itself")
    elif site in (b"same-site", b"cross-site") and (
        inbound.header(b"sec-fetch-mode") != b"navigate"
        or inbound.header(b"sec-fetch-dest") in (b"iframe", b"frame", b"embed", b"object")
    ):
        raise CrossSite("another site's page may not load this into itself")
