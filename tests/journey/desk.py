"""What somebody does at a screen in Chromium: pass the provider's form, and choose a PIN."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.counterparts.provider import OTP, USERS

from .screen import ARTEFACTS, settled


def passes(page: Page, login: str, otp: str = OTP) -> None:
    """The provider's form."""
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(str(USERS[login]["password"]))
    page.locator("[name=otp]").fill(otp)
    page.get_by_role("button").click()


def chooses_pin(page: Page, url: str, pin: str) -> None:
    """Once for a clinician, who has just signed on here. `url`: the main host's."""
    page.goto(f"{url}/shift/pin")
    types_pin(page, pin)
    page.wait_for_url(f"{url}/shift")


def types_pin(page: Page, pin: str) -> None:
    """On the page that sets one."""
    page.get_by_label("New PIN").fill(pin)
    page.get_by_label("The same once more").fill(pin)
    page.get_by_role("button", name="Set this PIN").click()


def pictured(page: Page, name: str) -> None:
    """At three widths, once it stands still; nothing of it is wider than the screen."""
    settled(page)
    for width in (320, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=ARTEFACTS / f"{name}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
