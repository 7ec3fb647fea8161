"""A shift handed from a ward desktop to a phone, in two real browsers, with a picture of each step in tests/artefacts/."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from demo.hospital import Hospital

from .hospital import Hospital as Plain
from .hospital import hospital
from .test_browser import fits, picture, place, sign_on
from .test_devices import enrol
from .test_devices import sign_on as through_the_form

__all__ = ["place"]

pytestmark = pytest.mark.browser


def test_a_phone_takes_the_shift_over_without_a_password(place: Hospital, chromium: Browser) -> None:
    """The code is scanned or typed, the device is seen, the number goes back, and the phone opens a system at once."""
    desk = chromium.new_context(viewport={"width": 1440, "height": 900})
    phone = chromium.new_context(viewport={"width": 320, "height": 640})
    said: list[str] = []
    at_desk, on_phone = desk.new_page(), phone.new_page()
    for page in (at_desk, on_phone):
        page.on("console", lambda message: said.append(message.text))
    sign_on(place, at_desk)
    on_phone.goto(f"{place.url}/sign-on")
    on_phone.get_by_role("button", name="Bring this device into my shift").click()
    code = on_phone.locator(".code").inner_text()
    assert on_phone.locator(".qr svg").bounding_box() is not None
    at_desk.get_by_role("link", name="My shift").click()
    at_desk.get_by_role("link", name="Bring in another device").click()
    at_desk.get_by_label("Code").fill(code.lower().replace(" ", ""))
    at_desk.get_by_role("button", name="Look at it").click()
    expect(at_desk.get_by_text("not known to us")).to_be_visible()
    for name, page in (("handoff-asked", on_phone), ("handoff-confirm", at_desk)):
        fits(page)
        picture(page, name)
    at_desk.get_by_role("button", name="Yes, it is mine").click()
    number = at_desk.locator(".code").inner_text()
    on_phone.wait_for_url("**/handoff/answer")  # by itself
    expect(on_phone.get_by_role("heading", name="Ngozi Okoye")).to_be_visible()
    fits(on_phone)
    picture(on_phone, "handoff-number")
    on_phone.get_by_label("The number on your other device").fill(number)
    on_phone.get_by_role("button", name="I am Ngozi Okoye").click()
    on_phone.wait_for_url(f"{place.url}/")
    assert said == []  # the old system has no icon, and says so
    on_phone.get_by_role("link", name="Patient administration").click()
    on_phone.wait_for_load_state()
    assert "/sign-on" not in on_phone.url
    assert "authorize" not in on_phone.url
    at_desk.goto(f"{place.url}/shift")
    assert at_desk.locator("main .tiles > li").count() == 2
    desk.close()
    phone.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    with hospital(tmp_path_factory.mktemp("handoff"), []) as running:
        yield running


def test_both_ends_of_a_hand_off_prove_their_keys(plain: Plain, chromium: Browser) -> None:
    """A trolley joins as the trolley; copied cookies of the desk say no yes, and copied cookies of the trolley take nothing."""
    at_desk, on_trolley = chromium.new_context().new_page(), chromium.new_context().new_page()
    enrol(plain, at_desk, "Ward 7 PC 3")
    through_the_form(plain, at_desk)
    trolley = enrol(plain, on_trolley, "Ward 7 trolley")
    on_trolley.goto(f"{plain.url}/sign-on")
    on_trolley.get_by_role("button", name="Bring this device into my shift").click()
    code = on_trolley.locator(".code").inner_text()
    thief = chromium.new_context()
    thief.add_cookies(at_desk.context.cookies())  # type: ignore[arg-type,unused-ignore]  # what it gave is what it takes
    elsewhere = thief.new_page()
    elsewhere.goto(f"{plain.url}/handoff/give")
    elsewhere.get_by_label("Code").fill(code)
    elsewhere.get_by_role("button", name="Look at it").click()
    elsewhere.get_by_role("button", name="Yes, it is mine").click()
    expect(elsewhere.get_by_role("alert")).to_contain_text("did not show that it is Ward 7 PC 3")
    fits(elsewhere)
    picture(elsewhere, "handoff-unproved")
    at_desk.goto(f"{plain.url}/handoff/claimed?code={code.replace(' ', '')}")
    expect(at_desk.locator("main")).to_contain_text("Ward 7 trolley")
    at_desk.get_by_role("button", name="Yes, it is mine").click()
    number = at_desk.locator(".code").inner_text()
    thief.clear_cookies()
    thief.add_cookies(on_trolley.context.cookies())  # type: ignore[arg-type,unused-ignore]  # as above
    for page, end in ((elsewhere, "**/handoff/take"), (on_trolley, f"{plain.url}/")):
        page.goto(f"{plain.url}/handoff/answer")
        page.get_by_label("The number on your other device").fill(number)
        page.get_by_role("button", name="I am").click()
        page.wait_for_url(end)
    expect(elsewhere.get_by_role("heading", name="This is another device")).to_be_visible()
    assert plain.events(type="session.seated")[-1]["device_id"] == trolley
    for page in (at_desk, on_trolley, elsewhere):
        page.context.close()
