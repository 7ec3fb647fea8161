"""A note that is sent into a locked session: kept, shown again, and sent once, by hand."""

from __future__ import annotations

from urllib.parse import urljoin

from ..browser import Page, Wanting
from .figures import Shift
from .lock import lock, unlock
from .systems import Pas, opened, well

NOTE = "Slept well. Drank 200 ml. Für die Übergabe: Schmerzen 2/10."


def sends_a_kept_note(shift: Shift) -> None:
    desk, before = shift.devices.desk, _arrived(shift)
    title, address = next((t, a) for t, (a, _) in shift.tiles.items() if "/pas/" in a)
    pas = Pas.of(desk, opened(desk, title, address))
    pas.choose(shift.number)
    written = well(pas.notes())
    lock(desk)
    told = desk.submit(written, "/pas/notes/save", dest="frame", note=NOTE)
    if told.status != 401 or "kept for you" not in told.text or _arrived(shift) != before:
        raise Wanting(f"a note that was sent into a locked session was not kept: status {told.status}")
    shown = unlock(desk, desk.get(_link(told), told.url))
    if NOTE not in shown.answer.text:
        raise Wanting("the note that was kept is not shown again")
    well(desk.submit(shown, "/pas/notes/save"))
    if (times := _arrived(shift) - before) != 1:
        raise Wanting(f"a kept note that was sent once by hand arrived {times} times")
    desk.submit(shown, "/pas/notes/save")  # the same button again, by Back
    if (times := _arrived(shift) - before) != 1:
        raise Wanting(f"a kept note whose button was pressed twice arrived {times} times")
    shift.figures.kept_writes_sent += 1
    shift.left, shift.stale = pas.summary(), written


def _arrived(shift: Shift) -> int:
    """How often the PAS has this note for this patient."""
    return sum(number == shift.number and text == NOTE for number, _, text in shift.place.pas.notes)


def _link(told: Page) -> str:
    return urljoin(told.url, str(told.document().xpath("//a[contains(@href, '/.lanyard/kept')]/@href")[0]))
