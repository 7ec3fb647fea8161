"""How long a locked ward PC keeps its clinician from the page that they left: measured and printed, and judged by people."""

from __future__ import annotations

import re
import statistics
import time

import pytest
from playwright.sync_api import Browser, expect

from .old_ward import PIN, UNLOCKED, OldWard, desk, lock, sign_on
from .screen import until

pytestmark = [pytest.mark.browser, pytest.mark.counterpart]

ROUNDS = 7


def test_a_pin_leads_back_to_the_page_each_time(old: OldWard, chromium: Browser) -> None:
    """From the last digit to the old system's page, with its frames there and the guard script open; the median is printed."""
    window = desk(old, chromium)
    page, beside = window.new_page(), window.new_page()
    sign_on(old, page)
    left = old.at("pas", "/pas/main")
    page.goto(left)
    taken = []
    for _ in range(ROUNDS):
        lock(old, beside)
        page.goto(left)
        expect(page.get_by_role("heading", name="Locked")).to_be_visible()
        page.get_by_label("Your PIN").press_sequentially(PIN)
        begun = time.monotonic()
        page.keyboard.press("Enter")
        page.wait_for_url(left)
        until(page, UNLOCKED)
        expect(page.frame_locator("[name=content]").get_by_role("heading", name="Work list")).to_be_visible()
        taken.append(time.monotonic() - begun)
    print(f"unlock: median {statistics.median(taken):.2f} s, slowest {max(taken):.2f} s of {ROUNDS}")
    window.close()


def test_one_tap_gives_the_desk_to_the_next_and_back(old: OldWard, chromium: Browser) -> None:
    """“Not you?” to the sign-on page, for the nurse and for the doctor; each is found again in their own shift."""
    window = desk(old, chromium)
    page = window.new_page()
    taken, shifts = [], []
    for login in ("n.okoye", "dr.lee", "n.okoye", "dr.lee"):
        sign_on(old, page, login)
        shifts.append(len(old.hospital.events(type="shift.started")))
        page.goto(old.hospital.url)
        begun = time.monotonic()
        page.get_by_role("button", name="Not you?").click()
        page.wait_for_url(re.compile("/sign-on$"))
        expect(page.get_by_role("button", name=re.compile("^Sign on"))).to_be_visible()
        taken.append(time.monotonic() - begun)
    print(f"switch: median {statistics.median(taken):.2f} s of {len(taken)}")
    switched = [event["subject"] for event in old.hospital.events(type="session.switched")]
    assert switched[-4:] == ["n.okoye", "dr.lee", "n.okoye", "dr.lee"]
    assert shifts[1] == shifts[3], "who comes back begins no shift"
    window.close()
