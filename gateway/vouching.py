"""One clinician's word for another, whose card is missing or who was not here for long: a number, good once, for ten minutes.

Who may give it is the policies' to say (action `vouch`). The number selects whoever it was given for; it proves nothing: its bearer
still needs that clinician's own PIN or passkey, on an enrolled device.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from policies.decision import Decision
from policies.engine import PolicyEngine
from policies.model import Facts
from sso.handoff import new_code, plain
from sso.last_sign_on import LastSignOn

from .audit.event import EventType
from .audit.journal import Journal
from .duties import VOUCH
from .session_events import session_event
from .sessions import Seat
from .stores.base import Store

LIFE = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Vouch:
    """Whose word it is, and for whom."""

    issuer: str
    subject: str
    by: str  # the subject of whoever gives it, of the same issuer or another
    by_issuer: str
    name: str  # theirs, for the review
    code: str = field(default="", repr=False)

    def to_json(self) -> bytes:
        return json.dumps({name: value for name, value in asdict(self).items() if name != "code"}).encode()


class Vouching:
    def __init__(self, engine: PolicyEngine, store: Store, journal: Journal, now: Callable[[], float]) -> None:
        self._engine = engine
        self._store = store
        self._journal = journal
        self._now = now

    def may(self, seat: Seat, *, freshly: bool = False) -> Decision:
        """Whether this clinician may vouch, and why not. `freshly`: as if they had just proved who they are."""
        return self._engine.decide(VOUCH.asked(seat, self._now(), freshly=freshly), Facts())

    async def given(self, seat: Seat, record: LastSignOn) -> str:
        """A number for this colleague. Written down before it is shown. The caller has asked `may`."""
        giver, meant, code = seat.shift.principal, record.principal, new_code()
        vouch = Vouch(meant.issuer, meant.subject, giver.subject, giver.issuer, giver.name)
        await self._journal.record(
            session_event(
                EventType.EMERGENCY_VOUCHED, self._now(), seat, vouched_for=meant.subject, vouched_for_name=meant.name
            )
        )
        await self._store.put_code("vouch", code, vouch.to_json(), self._now() + LIFE)
        return code

    async def found(self, typed: str) -> Vouch | None:
        """The number stays good: what was typed may come with a wrong PIN."""
        code = plain(typed)
        kept = await self._store.read_code("vouch", code, self._now()) if code else None
        return Vouch(**json.loads(kept), code=code) if kept else None

    async def use(self, vouch: Vouch) -> bool:
        """Once; False for whoever comes second."""
        return await self._store.take_code("vouch", vouch.code, self._now()) is not None
