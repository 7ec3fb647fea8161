"""The one sign-on of a shift, at a ward PC that proves itself; then every system, and a record in each. And the end of it."""

from __future__ import annotations

import time

from ..browser import Wanting
from ..devices import NURSE, PC, sign_on
from .figures import Shift
from .systems import Epr, Pas, closed, is_epr, is_pas, opened, programs, record_of, tiles


def signs_on(shift: Shift) -> None:
    began, desk = time.monotonic(), shift.devices.desk
    home = sign_on(desk, NURSE)
    shift.figures.log_ons += 1
    shift.tiles = tiles(home)
    if PC not in desk.get("/shift").text:
        raise Wanting(f"the session is not on {PC}: the PC could not prove itself")
    for title, (address, state) in shift.tiles.items():
        page = opened(desk, title, address)
        shift.figures.systems[title] = state
        if is_epr(page):
            epr = Epr(desk, page)
            shift.patient = epr.patients()[0]
            epr.record(shift.patient)
        elif is_pas(page):
            pas = Pas.of(desk, page)
            shift.number = pas.numbers()[0]
            shift.left = pas.choose(shift.number)
        else:
            record_of(desk, page, NURSE.name)
        first = round(time.monotonic() - began, 2)
        shift.figures.seconds_to_first_record = shift.figures.seconds_to_first_record or first
        shift.figures.log_ons_avoided += 1
    for title, (action, state) in programs(home).items():  # one signs on there: no log-on is avoided
        if not desk.leaves(home, action).startswith("theatreplanner://"):
            raise Wanting(f"{title} is not opened by its own program")
        shift.figures.systems[title] = state


def signs_off(shift: Shift) -> None:
    """Everywhere; then nothing opens, not even with the cookies from before."""
    desk = shift.devices.desk
    copied = desk.cookies()
    page = desk.submit(desk.get("/shift"), "/sign-off")
    if page.path != "/signed-off":
        raise Wanting(f"sign-off ended at {page.path} with status {page.status}")
    with desk.holding(copied):
        closed(desk, shift.tiles, "the sign-off does not hold")
    if desk.get("/").path != "/sign-on":
        raise Wanting("after sign-off the launchpad is still there")
