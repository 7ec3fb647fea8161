"""What changes something comes from a page of its own origin; other sites' pages load nothing into themselves."""

from __future__ import annotations

import pytest

from connectors.messages import Body, InboundRequest
from gateway.edge.csrf import require_own_page
from gateway.errors import CrossSite

OWN = b"https://pas.records.test"
SIBLING = b"https://path.records.test"
EVIL = b"https://evil.test"


def asked(
    method: str, *, site: bytes = b"", mode: bytes = b"", dest: bytes = b"", origin: bytes = b"", scheme: str = "https"
) -> InboundRequest:
    told = {b"sec-fetch-site": site, b"sec-fetch-mode": mode, b"sec-fetch-dest": dest, b"origin": origin}
    headers = tuple((name, value) for name, value in told.items() if value)
    return InboundRequest("r" * 32, method, b"/notes", headers, Body.of(b""), scheme, "pas.records.test")


READS = (
    ("typed address", asked("GET", site=b"none", mode=b"navigate", dest=b"document"), True),
    ("own page's picture", asked("GET", site=b"same-origin", mode=b"no-cors", dest=b"image"), True),
    ("a link from the launchpad", asked("GET", site=b"same-site", mode=b"navigate", dest=b"document"), True),
    ("a link from a mail", asked("GET", site=b"cross-site", mode=b"navigate", dest=b"document"), True),
    ("a browser without Sec-Fetch", asked("GET"), True),
    ("BR-245", asked("GET", site=b"same-site", mode=b"no-cors", dest=b"image"), False),
    ("BR-245 without a mode", asked("GET", site=b"same-site", dest=b"image"), False),
    ("a sibling's script", asked("GET", site=b"same-site", mode=b"cors", dest=b"empty", origin=SIBLING), False),
    ("a foreign script tag", asked("GET", site=b"cross-site", mode=b"no-cors", dest=b"script"), False),
    ("a sibling's frame", asked("GET", site=b"same-site", mode=b"navigate", dest=b"iframe"), False),
    ("a foreign object", asked("HEAD", site=b"cross-site", mode=b"navigate", dest=b"object"), False),
)
WRITES = (
    ("own form", asked("POST", site=b"same-origin", mode=b"navigate", origin=OWN), True),
    ("own form of an old browser", asked("POST", origin=OWN), True),
    ("BR-228", asked("POST", site=b"same-site", origin=SIBLING), False),
    ("BR-230", asked("POST", site=b"cross-site", mode=b"navigate", origin=EVIL), False),
    ("BR-225", asked("POST", origin=EVIL), False),
    ("BR-226", asked("POST", origin=b"null"), False),
    ("BR-227", asked("POST", origin=OWN + b".evil.test"), False),
    ("own origin in clear", asked("POST", origin=b"http://pas.records.test"), False),
    ("own origin on another port", asked("DELETE", origin=OWN + b":8443"), False),
    ("no word about itself", asked("PUT"), False),
    ("from nowhere, by a bookmark", asked("POST", site=b"none"), False),
    ("a sibling that says our origin", asked("POST", site=b"same-site", origin=OWN), False),
    ("an odd spelling", asked("POST", site=b"Same-Origin"), False),
)
CHANGING_READS = (
    ("own link that changes", asked("GET", site=b"same-origin", mode=b"navigate"), True),
    ("BR-231", asked("GET", site=b"cross-site", mode=b"no-cors", dest=b"image"), False),
    ("a foreign link that changes", asked("GET", site=b"cross-site", mode=b"navigate", dest=b"document"), False),
    ("typed address that changes", asked("GET", site=b"none", mode=b"navigate", dest=b"document"), False),
    ("a changing link without Sec-Fetch", asked("GET"), False),
)


def judged(inbound: InboundRequest, *, changing: bool) -> bool:
    try:
        require_own_page(inbound, changing=changing)
    except CrossSite:
        return False
    return True


@pytest.mark.parametrize(("inbound", "fine"), [c[1:] for c in READS], ids=[c[0] for c in READS])
def test_a_record_is_opened_but_not_embedded_by_others(inbound: InboundRequest, fine: bool) -> None:
    """Anyone may link to a record; only its own pages load it into themselves."""
    assert judged(inbound, changing=False) is fine


@pytest.mark.parametrize(("inbound", "fine"), [c[1:] for c in WRITES], ids=[c[0] for c in WRITES])
def test_a_write_comes_from_its_own_page(inbound: InboundRequest, fine: bool) -> None:
    """A write says itself that its page is of this origin, or it is refused."""
    assert judged(inbound, changing=False) is fine
    assert judged(inbound, changing=True) is fine


@pytest.mark.parametrize(("inbound", "fine"), [c[1:] for c in CHANGING_READS], ids=[c[0] for c in CHANGING_READS])
def test_a_get_that_changes_is_held_to_the_same(inbound: InboundRequest, fine: bool) -> None:
    """Where a system changes something by GET, the GET is a write."""
    assert judged(inbound, changing=True) is fine


def test_a_declared_pair_may_send_forms() -> None:
    """A system that the configuration names as opener may; the next sibling may not."""
    allowed = frozenset({SIBLING.decode()})
    require_own_page(asked("POST", site=b"same-site", origin=SIBLING), changing=True, allowed=allowed)
    with pytest.raises(CrossSite):
        require_own_page(asked("POST", site=b"same-site", origin=EVIL), changing=True, allowed=allowed)
