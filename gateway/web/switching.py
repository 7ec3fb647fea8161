"""One browser, several clinicians after another: whoever leaves is locked and nothing of theirs stays; whoever returns finds it again.

What remains in the browser is a mark: random, of the browser and of nobody. It selects among the locked sessions of a clinician who has
just signed on, and proves nothing.
"""

from __future__ import annotations

from connectors.messages import Headers
from sso.session import new_token, token_hash

from ..edge import cookies
from ..edge.origins import Doors
from ..locks import Locks
from ..sessions import Seat
from .paths import own_path
from .signoff import ANEW, ANEW_LIFE

DESK = b"__Host-lanyard-desk"
_DESK_LIFE = 14 * 3600  # the longest shift
_ENTER = "/enter?ticket="


class Switching:
    def __init__(self, public_url: str, locks: Locks, doors: Doors) -> None:
        self._public_url = public_url
        self._locks = locks
        self._doors = doors

    def marked(self, headers: Headers) -> str:
        """This browser's mark; "" where nobody was switched from in it."""
        found = cookies.cookie(headers, DESK)
        return found.decode("ascii") if found and found.isascii() and 40 <= len(found) <= 64 else ""

    def mark(self, headers: Headers) -> str:
        """This browser's mark, or a new one."""
        return self.marked(headers) or new_token()

    def cookies(self, mark: str) -> tuple[tuple[bytes, bytes], ...]:
        """What a browser keeps of a switch: its mark, and that whoever signs on next is to be asked."""
        return cookies.given(DESK, mark, max_age=_DESK_LIFE), cookies.given(ANEW, "1", max_age=ANEW_LIFE)

    async def away(self, seat: Seat, mark: str, back: str) -> None:
        """Lock this session for its clinician to come back to, at the page `back` of the main host or at the one behind a ticket."""
        back = own_path(back)
        place = f"{self._public_url}{back}"
        if back.startswith(_ENTER):
            place = await self._doors.place_of(back.removeprefix(_ENTER))
        await self._locks.switch(seat, desk=token_hash(mark), left=place)

    async def by_way_of(self, entered: tuple[str, ...], page: str) -> str:
        """`page` (a path of the main host, or an address of ours), after a visit to each host that somebody else had entered."""
        address = f"{self._public_url}{page}" if page.startswith("/") else page
        return await self._doors.first_of_sign_off(entered, address) if entered else page
