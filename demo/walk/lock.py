"""A PIN, a lock that holds, and the way back to the page one left."""

from __future__ import annotations

from ..browser import Browser, Page, Wanting
from ..devices import NURSE
from .figures import BADGE, PIN, Shift
from .systems import closed, shows


def sets_a_pin(shift: Shift) -> None:
    """And registers her badge, which selects her where a PIN is to prove her."""
    desk = shift.devices.desk
    page = desk.submit(desk.get("/shift/pin"), "/shift/pin", pin=PIN, again=PIN)
    if page.path != "/shift":
        raise Wanting(f"no PIN could be set: {page.path} answered with status {page.status}")
    if (
        not (badges := desk.submit(desk.get("/shift/badge"), "/shift/badge", badge=BADGE))
        .document()
        .xpath("//main//li")
    ):
        raise Wanting(f"no badge could be registered: {badges.path} answered with status {badges.status}")


def locks_and_unlocks(shift: Shift) -> None:
    """From the launchpad's bar; the page of the PAS is in another tab."""
    desk, left = shift.devices.desk, shift.left
    assert left is not None
    lock(desk)
    locked = desk.get(left.url)
    if locked.path != "/unlock" or shows(locked, shift.number):
        raise Wanting("the lock does not hold: a page of the PAS is shown")
    closed(desk, shift.tiles, "the lock does not hold")
    if desk.submit(locked, "/unlock", pin=PIN[::-1]).path != "/unlock":
        raise Wanting("the lock does not hold: another PIN unlocks it")
    back = unlock(desk, locked)
    if back.url != left.url or not shows(back, shift.number):
        raise Wanting(f"unlocking led to {back.path}, not to the page that was left")


def lock(browser: Browser) -> Page:
    page = browser.submit(browser.get("/"), "/lock")
    if page.path != "/unlock":
        raise Wanting(f"locking led to {page.path}, not to the page that unlocks")
    return page


def unlock(browser: Browser, locked: Page) -> Page:
    """By PIN, where the page says that it is the nurse's."""
    if NURSE.name not in locked.text:
        raise Wanting("the page that unlocks does not say whose session it is")
    page = browser.submit(locked, "/unlock", pin=PIN)
    if page.path == "/unlock":
        raise Wanting(f"the PIN did not unlock: status {page.status}")
    return page
