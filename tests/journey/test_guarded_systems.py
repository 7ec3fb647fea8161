"""A whole shift's worth of the guard script in two real old systems: typed, warned, locked, covered, unlocked, and saved once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from .old_ward import PIN, UNLOCKED, OldWard, desk, lock, looked_at, opened, sign_on, unlock
from .screen import ARTEFACTS, until

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

COVERED = "lanyardGuard.covered === true && document.body.inert"
FRAMES_COVERED = "lanyardGuard.covered === true && getComputedStyle(document.body).opacity === '0'"
IDLE = 300  # seconds, of a shared device
ALERT = "lanyard-guard p[role=alert]"
TYPED = "Hélène, Zürich – ½ tablet"
LEFT = "fetch('/.lanyard/state').then(said => said.json()).then(said => said.locks_in)"


@pytest.fixture
def window(old: OldWard, chromium: Browser) -> Iterator[BrowserContext]:
    context = desk(old, chromium)
    context.clock.install()
    sign_on(old, context.new_page())
    yield context
    context.close()
    old.now()


@dataclass(frozen=True)
class Text:
    """Where somebody types in a system, how it is saved, and how often it has arrived."""

    name: str
    open: Callable[[OldWard, BrowserContext], tuple[Page, Page | Frame]]
    field: str
    button: str
    arrived: Callable[[OldWard], int]


def _pas(old: OldWard, window: BrowserContext) -> tuple[Page, Frame]:
    """In a frame of the frameset, as its users have it."""
    page = opened(window, old.at("pas", "/pas/main"))
    content, menu = (page.wait_for_selector(f"frame[name={name}]").content_frame() for name in ("content", "menu"))
    assert content is not None
    assert menu is not None
    content.get_by_role("button", name="Select").first.click()
    expect(content.locator(".banner")).to_contain_text("Hosp No")
    menu.get_by_role("button", name="Notes").click()
    expect(content.get_by_role("heading", name="Notes")).to_be_visible()
    return page, content


def _admin(old: OldWard, window: BrowserContext) -> tuple[Page, Page]:
    page = opened(window, old.at("admin", "/admin/auth/group/add/"))
    return page, page


def _groups(old: OldWard, name: str) -> int:
    code = f"from django.contrib.auth.models import Group; print(Group.objects.filter(name={name!r}).count())"
    return int(old.admin.manage(code))


TEXTS = [
    Text("pas", _pas, "textarea", "Save note", lambda old: [text for _, _, text in old.pas.notes].count(TYPED)),
    Text("admin", _admin, "[name=name]", "Save", lambda old: _groups(old, TYPED)),
]


def later(old: OldWard, window: BrowserContext, seconds: int) -> None:
    """In the gateway and in the browser."""
    old.later(seconds)
    window.clock.fast_forward(seconds * 1000)


def pictured(page: Page, name: str) -> None:
    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_timeout(100)
        page.screenshot(path=ARTEFACTS / f"guarded-{name}-{width}.png")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_a_text_lives_through_warning_lock_and_unlock(old: OldWard, window: BrowserContext, text: Text) -> None:
    """Typing puts the lock off; a minute before it comes the warning, at it the cover; after the PIN the text is there and arrives once."""
    page, place = text.open(old, window)
    later(old, window, IDLE - 100)
    place.locator(text.field).press_sequentially(TYPED)
    until(page, f"{LEFT}.then(left => left > {IDLE - 30})")  # the key was activity
    later(old, window, IDLE - 50)
    expect(page.locator(ALERT)).to_have_text("This screen locks in a minute.")
    pictured(page, f"{text.name}-warning")
    later(old, window, 60)
    until(page, FRAMES_COVERED)
    pictured(page, f"{text.name}-covered")
    with window.expect_page() as beside:
        page.get_by_role("link", name="Unlock").click()
    before = beside.value
    before.wait_for_url("**/unlock**")
    before.get_by_label("Your PIN").fill(PIN)
    with before.expect_event("close"):
        before.keyboard.press("Enter")
    looked_at(page)
    until(page, UNLOCKED)
    assert place.locator(text.field).input_value() == TYPED
    place.get_by_role("button", name=text.button, exact=True).click()
    expect(place.locator("body")).to_contain_text(TYPED)
    until(page, UNLOCKED)
    assert text.arrived(old) == 1


def test_a_popup_is_one_of_the_windows(old: OldWard, window: BrowserContext) -> None:
    """Django's admin adds a group in a window of its own: covered with the page behind it, and its answer still gets there."""
    page = opened(window, old.at("admin", "/admin/auth/user/add/"))
    page.locator("[name=username]").fill("h.dupont")
    page.locator("[name=password1]").fill("a-long-enough-one")
    page.locator("[name=password2]").fill("a-long-enough-one")
    page.get_by_role("button", name="Save and continue editing").click()
    page.wait_for_url("**/change/")
    until(page, UNLOCKED)
    page.locator("[name=first_name]").fill("Hélène")
    with window.expect_page() as popped:
        page.locator("#add_id_groups").click()
    popup = popped.value
    until(popup, UNLOCKED)
    popup.locator("[name=name]").fill("Theatre")
    beside = window.new_page()
    lock(old, beside)
    looked_at(page)
    for one in (page, popup):
        until(one, COVERED)
    unlock(beside)
    looked_at(popup)
    for one in (page, popup):
        until(one, UNLOCKED)
    assert popup.locator("[name=name]").input_value() == "Theatre"
    with popup.expect_event("close"):
        popup.locator("[name=_save]").click()
    expect(page.locator("#id_groups_to option")).to_have_text(["Theatre"])
    assert page.locator("[name=first_name]").input_value() == "Hélène"
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".success")).to_contain_text("was changed successfully")
    assert _groups(old, "Theatre") == 1
