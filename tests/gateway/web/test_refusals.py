"""A page that a passing fault brings tries again by itself; one that is somebody's decision, or a write's, does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.errors import JournalUnavailable, fault_for
from gateway.systems import System
from gateway.web.refusals import Refusals
from gateway.web.render import Renderer
from sso.errors import StoreFull, StoreUnavailable

NAVIGATES = ((b"accept", b"text/html"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document"))

PAS = cast(System, SimpleNamespace(title="Patient administration", table=SimpleNamespace(helpdesk="", notice="")))


@pytest.fixture
def refusals() -> Refusals:
    return Refusals(Renderer(https=True), "https://records.test")


def test_a_look_at_a_session_that_cannot_be_read_is_tried_again(refusals: Refusals) -> None:
    """After three to six seconds, so that a whole ward does not come back in one moment."""
    fault = fault_for(StoreUnavailable("away"))
    found = {int(refusals.failed(fault, "GET", NAVIGATES, "", None).headers["refresh"]) for _ in range(200)}
    assert found == {3, 4, 5, 6}


def test_it_says_so_and_leads_to_the_page_that_was_asked_for(refusals: Refusals) -> None:
    """Whoever does not wait presses one button; nobody thinks that they have to sign on again."""
    page = bytes(refusals.failed(fault_for(StoreUnavailable("away")), "GET", NAVIGATES, "", None).body).decode()
    assert "<h1>One moment</h1>" in page
    assert "Your session could not be read just now." in page
    assert "this page tries again by itself" in page
    assert "You are not signed off" in page
    assert '<a class="button" href="">Try again now</a>' in page


def test_a_write_is_not_tried_again_by_a_page(refusals: Refusals) -> None:
    """A form that was sent is never sent anew by itself."""
    page = refusals.failed(fault_for(StoreUnavailable("away")), "POST", NAVIGATES, "", None)
    assert "refresh" not in page.headers
    assert "by itself" not in bytes(page.body).decode()


def test_whoever_has_typed_something_is_told_that_it_went_nowhere(refusals: Refusals) -> None:
    """And is not led away from it by a button."""
    page = refusals.failed(fault_for(StoreUnavailable("away")), "POST", NAVIGATES, "", PAS)
    said = bytes(page.body).decode()
    assert "<h1>Nothing was sent to Patient administration</h1>" in said
    assert "what you typed should still be there" in said
    assert 'class="button"' not in said
    assert "refresh" not in page.headers


def test_a_full_store_is_told_as_full(refusals: Refusals) -> None:
    """By its own reason: whoever wants to sign on is told that others go on, and no page tries for them again and again."""
    page = refusals.failed(fault_for(StoreFull("full")), "GET", NAVIGATES, "", None)
    said = bytes(page.body).decode()
    assert (page.status_code, "refresh" in page.headers) == (503, False)
    assert "sessions-full" in said
    assert "Nobody more can be signed on just now" in said
    assert "could not be read" not in said


def test_a_page_for_what_does_not_pass_by_itself_stays(refusals: Refusals) -> None:
    """A full access log is read, with whom to ring."""
    page = refusals.failed(fault_for(JournalUnavailable("disk-full", "full")), "GET", NAVIGATES, "", None)
    assert "refresh" not in page.headers
