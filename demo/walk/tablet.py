"""A tablet that nobody knows, outside the hospital: in the shift by the same hand-off, and kept from most of it."""

from __future__ import annotations

from urllib.parse import urljoin

import httpx2

from ..browser import Browser, Page, Wanting
from .figures import PIN, Shift
from .hand_off import guesses, hand_off
from .lock import lock
from .systems import Epr, is_epr, is_pas, shows, well

REASON = "device-off-site"  # docs/reasons.md


def is_kept_from_records(shift: Shift) -> None:
    tablet = shift.devices.tablet
    guesses(shift.devices.desk, tablet)
    hand_off(shift, shift.devices.desk, tablet)
    for address, _ in shift.tiles.values():
        page = tablet.get(address, f"{tablet.public}/")
        if not is_epr(page) and not is_pas(page):
            _refused(shift, page.answer)  # it begins with a list of patients
            continue
        well(page)
        if is_epr(page):
            epr = Epr(tablet, page)
            epr.read(f"Patient/{shift.patient}")  # who it is, and no more
            _refused(shift, epr.ask(f"Observation?patient=Patient/{shift.patient}"))
        else:
            _demographics_only(shift, page)
    _takes_no_pin(tablet)
    _ended_from(shift.devices.desk)
    if tablet.get("/").path != "/sign-on":
        raise Wanting("a tablet that was ended from another device is still signed on")


def _demographics_only(shift: Shift, frameset: Page) -> None:
    tablet = shift.devices.tablet
    menu, worklist, by_number = (
        tablet.get(urljoin(frameset.url, f"/pas/{path}"), frameset.url, dest="frame")
        for path in ("menu", "worklist", f"patient?hosp={shift.number}")
    )
    if not shows(well(by_number), shift.number):
        raise Wanting("the PAS shows another patient than the one asked for")
    for closed in (worklist, tablet.submit(well(menu), "/pas/notes", dest="frame")):
        _refused(shift, closed.answer)


def _refused(shift: Shift, answer: httpx2.Response) -> None:
    if answer.status_code != 403 or REASON not in answer.text:
        raise Wanting(f"an unknown tablet outside was not refused with `{REASON}`: status {answer.status_code}")
    shift.figures.refused_on_unknown += 1


def _takes_no_pin(tablet: Browser) -> None:
    """None is asked for; one that is sent all the same unlocks nothing."""
    locked = lock(tablet)
    if locked.passwords() or tablet.send(locked, "/unlock", {"pin": PIN, "next": "/"}).path != "/unlock":
        raise Wanting("a PIN is taken on a device that nobody knows")


def _ended_from(desk: Browser) -> None:
    page = desk.get("/shift")
    form = page.document().xpath("//li[.//h2[contains(., 'outside')]]//form")[0]
    desk.send(page, "/shift/end", dict(form.form_values()))
