"""One device brings another into the shift: a code there, a yes here, a number back. No password at either."""

from __future__ import annotations

from ..browser import Browser, Page, Wanting
from ..devices import NURSE
from .figures import PIN, Shift
from .systems import Epr, Pas, is_epr, is_pas, opened, record_of


def to_the_phone(shift: Shift) -> None:
    """The phone asks, the PC says yes; then the same records are open on it, each system logged on from the vault."""
    phone = shift.devices.phone
    hand_off(shift, shift.devices.desk, phone)
    for title, (address, _) in shift.tiles.items():
        page = opened(phone, title, address)
        if is_epr(page):
            Epr(phone, page).record(shift.patient)
        elif is_pas(page):
            Pas.of(phone, page).choose(shift.number)
        else:
            record_of(phone, page, NURSE.name)
        shift.figures.log_ons_avoided += 1


def hand_off(shift: Shift, giver: Browser, asker: Browser) -> Page:
    """Where the asker ends up. Raises Wanting."""
    asker.who = NURSE.login
    take, number = _said_yes_to(giver, asker)
    if NURSE.name not in take.text:
        raise Wanting("the new device does not say whose shift it joins")
    page = asker.submit(take, "/handoff/take", number=number)
    if page.status != 200 or page.path in ("/handoff/take", "/sign-on"):
        raise Wanting(f"the hand-off ended at {page.path} with status {page.status}")
    shift.figures.hand_offs += 1
    return page


def guesses(giver: Browser, asker: Browser) -> None:
    """Somebody who holds the new device, and does not see the other one's screen, is not let in."""
    take, number = _said_yes_to(giver, asker)
    other = f"{(int(number) + 1) % 1000:03d}"
    for typed in (other, number):  # one try: the right one after a wrong one is too late
        asker.submit(take, "/handoff/take", number=typed)
        if asker.get("/").path != "/sign-on":
            raise Wanting("a device is in the shift by a number that is not on the other's screen")


def _said_yes_to(giver: Browser, asker: Browser) -> tuple[Page, str]:
    """The page that asks the new device for the number, and the number that the signed-on one shows."""
    waits = asker.submit(asker.get("/sign-on"), "/handoff")
    seen = giver.submit(giver.get("/handoff/give"), "/handoff/look", code=_said(waits, "Code"))
    pin = {"pin": PIN} if "pin" in seen.passwords() else {}
    given = giver.submit(seen, "/handoff/confirm", answer="yes", **pin)
    if asker.get("/").path != "/sign-on":
        raise Wanting("a device is in the shift before it has said the number")
    return asker.get("/handoff/answer"), _said(given, "Number")


def _said(page: Page, what: str) -> str:
    """The code or number that a page shows in large."""
    found = page.document().xpath(f"//*[@aria-label='{what}']")
    if not found:
        raise Wanting(f"{page.path} (status {page.status}) shows no {what.lower()}")
    return str(found[0].text_content()).strip()
