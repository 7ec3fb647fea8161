"""Return addresses: whatever is offered, the way leads to a page of ours."""

from __future__ import annotations

import pytest

from gateway.web.paths import own_path

REFUSED = {
    "HTTP-132": "/\\evil.test",
    "HTTP-134": "\\/evil.test",
    "HTTP-135": "/\t/evil.test",
    "HTTP-136": "/\n/evil.test",
    "HTTP-137": "/\r/evil.test",
    "HTTP-138": "/\x0b/evil.test",
    "HTTP-139": "/ /evil.test",
    "HTTP-141": " //evil.test",
    "HTTP-142": "\x01//evil.test",
    "HTTP-144": "https:/evil.test",
    "HTTP-145": "https:///evil.test",
    "HTTP-146": "https://evil.test",
    "HTTP-147": "https://records.example@evil.test/",
    "HTTP-148": "https://records.example:443@evil.test",
    "HTTP-150": "https://evil-records.example",
    "HTTP-151": "https://google.test\\.records.example",
    "HTTP-152": "https://evil.test%2f.records.example",
    "HTTP-153": "https://evil.test#.records.example",
    "HTTP-155": "javascript:alert(1)",
    "HTTP-156": "JaVaScRiPt:alert(1)",
    "HTTP-157": "java\tscript:alert(1)",
    "HTTP-159": "vbscript:x",
    "HTTP-161": "////evil.test",
    "HTTP-162": "/./\\evil.test",
    "HTTP-164": "/.//evil.test",
    "HTTP-165": "/%5cevil.test",
    "HTTP-166": "/%2fevil.test",
    "HTTP-167": "%2f%2fevil.test",
    "HTTP-168": "/%09/evil.test",
    "HTTP-171": "//pas.records.example:8443/",
    "HTTP-172": "/\u2028/evil.test",
    "HTTP-173": "\uff0f\uff0fevil.test",
    "HTTP-176": "/sign-off",
    "HTTP-177": "/sign-on/callback?code=x&state=y",
    "HTTP-179": "/shift\x7f",
    "two slashes": "//evil.test",
    "a dot segment": "/a/../../evil.test",
    "a sign-off stop": "/.lanyard/sign-off?ticket=x",
    "a line end behind it": "/shift\n",
    "data": "data:text/html,x",
    "very long": "/" + "a" * 2000,
    "nothing": "",
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_address_that_is_not_plainly_ours_leads_to_the_launchpad(case: str) -> None:
    """Another origin in any spelling, and pages that nobody may be sent back to."""
    assert own_path(REFUSED[case]) == "/"


# The pages of the main host have plain addresses, so that escapes (HTTP-181, 182, 184), `;` (185) and fragments (186, which no
# server sees) need no way through here. A page of a system keeps every byte: it stays on the server behind a ticket
# (tests/gateway/test_origins.py).
KEPT = {
    "the launchpad": "/",
    "HTTP-180": "/ward/7/list",
    "HTTP-183": "/p/O'Brien",
    "a query": "/enter?ticket=ab_C-d",
    "a closing slash": "/shift/",
}


@pytest.mark.parametrize("case", KEPT)
def test_a_page_of_ours_is_kept_to_the_letter(case: str) -> None:
    """The control: what is ours is not changed."""
    assert own_path(KEPT[case]) == KEPT[case]
