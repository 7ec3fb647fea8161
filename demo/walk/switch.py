"""One ward PC, two clinicians: the colleague takes it over, and the nurse comes back to her own page."""

from __future__ import annotations

from ..browser import Page, Wanting
from ..devices import DOCTOR, NURSE, sign_on
from .figures import BADGE, PIN, Shift
from .lock import lock
from .systems import Epr, Pas, closed, is_epr, is_pas, opened, record_of, shows


def colleague_takes_over(shift: Shift) -> None:
    """From the nurse's locked screen: one press, the colleague's own sign-on, and nothing of hers is there."""
    desk, left = shift.devices.desk, shift.left
    assert left is not None
    lock(desk)
    locked, hers = desk.get(left.url), desk.cookies()  # her tab, as the colleague finds it
    desk.who = DOCTOR.login
    _switched(desk.submit(locked, "/switch"))
    sign_on(desk, DOCTOR)
    shift.figures.switches += 1
    with desk.holding(hers):
        closed(desk, shift.tiles, "after a switch the nurse's cookies still open something")
    for title, (address, _) in shift.tiles.items():
        page = opened(desk, title, address)
        if is_epr(page):
            epr = Epr(desk, page)
            epr.record(epr.patients()[-1])
        elif is_pas(page):
            _works_at_the_pas(shift, Pas.of(desk, page))
        elif NURSE.name in record_of(desk, page, DOCTOR.name).text:
            raise Wanting(f"{title} is still open in the nurse's name")


def _works_at_the_pas(shift: Shift, pas: Pas) -> None:
    if DOCTOR.pas_user not in pas.menu.text or NURSE.pas_user in pas.menu.text:
        raise Wanting("the PAS is not logged on as the colleague")
    if shows(pas.summary(), shift.number):
        raise Wanting("the colleague's PAS is at the nurse's patient")
    pas.choose(pas.numbers()[-1])
    notes = list(shift.place.pas.notes)
    assert shift.stale is not None
    refused = pas.browser.submit(shift.stale, "/pas/notes/save", dest="frame", note="from a tab that was left open")
    if refused.status < 400 or shift.place.pas.notes != notes:
        raise Wanting("a form that the nurse left open was sent in the colleague's session")
    shift.figures.stale_writes_refused += 1


def comes_back(shift: Shift) -> None:
    """The colleague leaves it; the nurse taps her badge and types her PIN."""
    desk = shift.devices.desk
    left_to_her = desk.submit(desk.get("/"), "/switch")
    _switched(left_to_her)
    shift.figures.switches += 1
    desk.who = NURSE.login
    asks = desk.submit(left_to_her, "/badge", badge=BADGE)
    if NURSE.name in asks.text:
        raise Wanting("a badge alone says whose it is")
    back = desk.submit(asks, "/badge/pin", pin=PIN)
    assert shift.left is not None
    if back.url != shift.left.url or not shows(back, shift.number):
        raise Wanting(f"the nurse came back to {back.path}, not to the page that she left")


def _switched(page: Page) -> None:
    if page.path != "/sign-on" or NURSE.name in page.text or DOCTOR.name in page.text:
        raise Wanting(f"a switch led to {page.path} with status {page.status}")
