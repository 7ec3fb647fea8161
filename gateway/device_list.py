"""All devices into the ones that are looked for, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sso.device import Enrolment

from .devices import State

PAGE = 50
_ORDER = {State.PENDING: 0, State.IN_USE: 1, State.REVOKED: 2}


@dataclass(frozen=True, slots=True)
class Sought:
    """Empty fields ask for everything."""

    text: str = ""  # part of a name, a ward, an owner's subject, or the beginning of an id
    ward: str = ""
    state: str = ""

    def fits(self, e: Enrolment) -> bool:
        text = self.text.casefold()
        said = (e.name.casefold(), e.ward.casefold(), e.owner[1].casefold() if e.owner else "")
        return (
            (not self.ward or e.ward == self.ward)
            and (not self.state or State.of(e) == self.state)
            and (not text or e.id.startswith(text) or any(text in words for words in said))
        )


@dataclass(frozen=True, slots=True)
class Listed:
    shown: list[Enrolment]
    found: int  # on all pages
    page: int
    pages: int
    wards: list[str]  # of all devices
    waiting: int  # for approval, of all devices


def listed(known: list[Enrolment], sought: Sought, page: int = 1) -> Listed:
    """What waits for approval first, what was revoked last, each by ward and name. A page that there is not is the nearest one."""
    found = sorted(filter(sought.fits, known), key=_place)
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(page, 1), pages)
    wards = sorted({e.ward for e in known if e.ward}, key=str.casefold)
    waiting = sum(State.of(e) is State.PENDING for e in known)
    return Listed(found[(page - 1) * PAGE : page * PAGE], len(found), page, pages, wards, waiting)


def _place(e: Enrolment) -> tuple[int, str, str, float]:
    return _ORDER[State.of(e)], e.ward.casefold(), e.name.casefold(), -e.created
