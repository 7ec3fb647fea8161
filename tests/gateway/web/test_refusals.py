"""A page that a passing fault brings tries again by itself; one that is somebody's decision, or a write's, does not."""

from __future__ import annotations

import pytest

from gateway.errors import JournalUnavailable, fault_for
from gateway.web.refusals import Refusals
from gateway.web.render import Renderer
from sso.errors import StoreUnavailable

NAVIGATES = ((b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document"))


@pytest.fixture
def refusals() -> Refusals:
    return Refusals(Renderer(https=True), "https://records.test")


def test_a_look_at_a_session_that_cannot_be_read_is_tried_again(refusals: Refusals) -> None:
    """After three to six seconds, so that a whole ward does not come back in one moment."""
    fault = fault_for(StoreUnavailable("away"))
    found = {int(refusals.failed(fault, "GET", NAVIGATES, "", None).headers["refresh"]) for _ in range(200)}
    assert found == {3, 4, 5, 6}


def test_a_write_is_not_tried_again_by_a_page(refusals: Refusals) -> None:
    """A form that was sent is never sent anew by itself."""
    page = refusals.failed(fault_for(StoreUnavailable("away")), "POST", NAVIGATES, "", None)
    assert "refresh" not in page.headers


def test_a_page_for_what_does_not_pass_by_itself_stays(refusals: Refusals) -> None:
    """A full access log is read, with whom to ring."""
    page = refusals.failed(fault_for(JournalUnavailable("disk-full", "full")), "GET", NAVIGATES, "", None)
    assert "refresh" not in page.headers
