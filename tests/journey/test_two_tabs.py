"""Two tabs on two patients, in a system that keeps the current patient on the server: no note goes to the patient of the other tab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .old_ward import UNLOCKED, OldWard, desk, lock, looked_at, opened, sign_on, unlock
from .screen import ARTEFACTS, until

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

ANY = "document.readyState === 'complete'"
COVERED = "lanyardGuard.covered === true && document.body.inert"


@pytest.fixture
def window(old: OldWard, chromium: Browser) -> Iterator[BrowserContext]:
    """Signed on at the ward PC; no note is written yet."""
    old.pas.notes.clear()
    context = desk(old, chromium)
    sign_on(old, context.new_page())
    yield context
    context.close()


def selected(old: OldWard, page: Page, number: str, system: str = "pas") -> Page:
    """A patient out of the work list."""
    page.goto(old.at(system, "/pas/worklist"))
    page.locator(f"form:has([value={number}]) [type=submit]").click()
    page.wait_for_url("**/pas/summary")
    return page


def chosen(old: OldWard, page: Page, number: str, system: str = "pas") -> Page:
    """A patient out of the work list, and the page of their notes."""
    selected(old, page, number, system)
    page.goto(old.at(system, "/pas/notes"))
    assert f"Hosp No: {number}" in page.locator(".banner").inner_text()
    return page


def noted(page: Page, text: str) -> None:
    page.locator("textarea").fill(text)
    saved(page)


def saved(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name="Save note").click()


def two(old: OldWard) -> tuple[str, str]:
    a, b = (person.hospital_number for person in old.pas.people[:2])
    return a, b


def written(old: OldWard) -> list[tuple[str, str]]:
    return [(number, text) for number, _, text in old.pas.notes]


def test_the_tab_of_one_patient_writes_nothing_to_another(old: OldWard, window: BrowserContext) -> None:
    """Both tabs have the same address; the system is at the second one's patient, so the first one's note is not sent."""
    a, b = two(old)
    first = chosen(old, window.new_page(), a)
    first.locator("textarea").fill("for the first")
    second = chosen(old, window.new_page(), b)
    saved(first)
    expect(first.get_by_role("heading", name="Not sent: nothing was changed")).to_be_visible()
    assert "another patient" in first.locator("main").inner_text()
    assert a not in first.content()
    assert b not in first.content()
    for width in (320, 768, 1280):
        first.set_viewport_size({"width": width, "height": 700})
        first.screenshot(path=ARTEFACTS / f"two-tabs-not-sent-{width}.png", full_page=True)
    noted(second, "for the second")
    assert written(old) == [(b, "for the second")]
    first.go_back()
    assert first.locator("textarea").input_value() == "for the first", "what was typed is there to copy"
    noted(chosen(old, first, a), "for the first")
    assert written(old)[1:] == [(a, "for the first")]
    saved(second)
    assert len(written(old)) == 2, "now the second tab is the one that was left behind"


def test_without_the_script_addresses_tell_and_one_address_does_not(old: OldWard, window: BrowserContext) -> None:
    """What holds in pages that are left as they are: by Referer a page is known, by which tab it is shown is not."""
    a, b = two(old)
    first = chosen(old, window.new_page(), a, "bare")
    second = selected(old, window.new_page(), b, "bare")
    noted(first, "the system is at somebody else")
    assert written(old) == []
    chosen(old, first, a, "bare")
    chosen(old, second, b, "bare")
    noted(first, "as without us")
    assert written(old) == [(b, "as without us")], "the known flaw that docs/known-flaws.md tells"


def test_a_lock_covers_every_tab_and_the_unlock_brings_each_back(old: OldWard, window: BrowserContext) -> None:
    """One lock, both covered; one unlock, both with what was typed; and still none writes to the other's patient."""
    a, b = two(old)
    first = chosen(old, window.new_page(), a)
    first.locator("textarea").fill("half a sentence about the first")
    second = chosen(old, window.new_page(), b)
    second.locator("textarea").fill("half a sentence about the second")
    beside = window.new_page()
    lock(old, beside)
    for tab in (first, second):
        looked_at(tab)
        until(tab, COVERED)
    unlock(beside)
    looked_at(first)
    for tab in (first, second):
        until(tab, UNLOCKED)
    assert first.locator("textarea").input_value() == "half a sentence about the first"
    assert second.locator("textarea").input_value() == "half a sentence about the second"
    saved(first)
    expect(first.get_by_role("heading", name="Not sent: nothing was changed")).to_be_visible()
    saved(second)
    assert written(old) == [(b, "half a sentence about the second")]


def test_two_notes_that_met_a_lock_are_both_kept_each_with_its_patient(old: OldWard, window: BrowserContext) -> None:
    """Only the one whose patient the system is still at may be sent by a click; the other's text is there to copy."""
    a, b = two(old)
    first = chosen(old, window.new_page(), a)
    second = chosen(old, window.new_page(), b)
    beside = window.new_page()
    lock(old, beside)
    for tab, text in ((first, "about the first"), (second, "about the second")):
        tab.evaluate("text => { document.querySelector('textarea').value = text; document.forms[0].submit(); }", text)
        expect(tab.get_by_role("heading", name="Not sent: nothing was changed")).to_be_visible()
    unlock(beside)
    beside.goto(old.hospital.url)
    links = beside.get_by_role("link", name="See it again")
    addresses = [str(link.get_attribute("href")) for link in links.all()]
    shown = {}
    for address in addresses:
        beside.goto(address)
        text = beside.locator("textarea").first.input_value()
        shown[text] = (beside.locator("dl").inner_text(), beside.get_by_role("button", name="Send it now").count())
    assert a in shown["about the first"][0]
    assert b in shown["about the second"][0]
    assert (shown["about the first"][1], shown["about the second"][1]) == (0, 1)
    beside.goto(addresses[1])
    beside.get_by_role("button", name="Send it now").click()
    beside.wait_for_url("**/pas/notes")
    assert written(old) == [(b, "about the second")]


def test_a_switch_covers_every_tab_until_the_same_clinician_is_back(old: OldWard, window: BrowserContext) -> None:
    """The next person sees neither patient and sends neither text; whoever comes back finds both tabs as they were."""
    a, b = two(old)
    first = chosen(old, window.new_page(), a)
    first.locator("textarea").fill("half a sentence about the first")
    second = chosen(old, window.new_page(), b)
    beside = window.new_page()
    beside.goto(old.hospital.url)
    beside.get_by_role("button", name="Not you?").click()
    beside.wait_for_url("**/sign-on")
    looked_at(first)
    for tab in (first, second):
        until(tab, COVERED)
    sign_on(old, beside, "dr.lee")
    doctors = opened(window, old.at("pas", "/pas/worklist"), ANY)
    for tab in (first, second):
        until(tab, COVERED)
        tab.evaluate("document.forms[0].submit()")
    assert written(old) == []
    doctors.goto(old.hospital.url)
    doctors.get_by_role("button", name="Not you?").click()
    doctors.wait_for_url("**/sign-on")
    sign_on(old, doctors)
    doctors.goto(old.at("pas", "/pas/worklist"))  # whoever is back opens the system, and its tabs hear of it
    for tab in (first, second):
        until(tab, UNLOCKED)
    assert first.locator("textarea").input_value() == "half a sentence about the first"
    assert "Hosp No" in second.locator(".banner").inner_text()
