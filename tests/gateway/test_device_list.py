"""Which devices are found, in which order, and on which page."""

from __future__ import annotations

import pytest

from gateway.device_list import PAGE, Sought, listed
from gateway.stores.testing import T0, enrolled

PC = enrolled("5f" * 16)
OLD = enrolled("0a" * 16, name="Ward 7 PC 1", revoked=T0 + 1)
KIOSK = enrolled("c0" * 16, name="Theatre kiosk", ward="Theatres")
PHONE = enrolled("a1" * 16, name="Phone of N Okoye", ward="", owner=("https://id.example", "n.okoye"), pending=True)
KNOWN = [PC, OLD, KIOSK, PHONE]

SOUGHT: dict[str, tuple[Sought, list[str]]] = {
    "everything": (Sought(), ["Phone of N Okoye", "Theatre kiosk", "Ward 7 PC 3", "Ward 7 PC 1"]),
    "part of a name": (Sought(text="pc"), ["Ward 7 PC 3", "Ward 7 PC 1"]),
    "a ward's name": (Sought(text="THEATRES"), ["Theatre kiosk"]),
    "an owner": (Sought(text="n.okoye"), ["Phone of N Okoye"]),
    "the beginning of a number": (Sought(text="c0c0"), ["Theatre kiosk"]),
    "a ward": (Sought(ward="Ward 7"), ["Ward 7 PC 3", "Ward 7 PC 1"]),
    "a state": (Sought(state="revoked"), ["Ward 7 PC 1"]),
    "a ward and a state": (Sought(ward="Ward 7", state="in use"), ["Ward 7 PC 3"]),
    "nothing that there is": (Sought(text="%"), []),
    "a state that there is not": (Sought(state="lost"), []),
}


@pytest.mark.parametrize("what", SOUGHT)
def test_what_is_looked_for_is_found(what: str) -> None:
    """What waits for approval first, what was revoked last."""
    sought, names = SOUGHT[what]
    assert [e.name for e in listed(KNOWN, sought).shown] == names


def test_wards_and_what_waits_are_of_all_devices() -> None:
    """However few are shown."""
    found = listed(KNOWN, Sought(ward="Theatres"))
    assert (found.found, found.wards, found.waiting) == (1, ["Theatres", "Ward 7"], 1)


@pytest.mark.parametrize(("page", "first", "shown"), [(1, 0, PAGE), (3, 2 * PAGE, 1), (0, 0, PAGE), (99, 2 * PAGE, 1)])
def test_many_are_shown_a_page_at_a_time(page: int, first: int, shown: int) -> None:
    """A page that there is not is the nearest that there is."""
    many = [enrolled(f"{n:032x}", name=f"PC {n:03}") for n in range(2 * PAGE + 1)]
    found = listed(many, Sought(), page)
    assert (found.shown[0].name, len(found.shown), found.pages) == (f"PC {first:03}", shown, 3)


def test_no_device_is_one_empty_page() -> None:
    """Before the first is enrolled."""
    found = listed([], Sought())
    assert (found.shown, found.page, found.pages) == ([], 1, 1)
