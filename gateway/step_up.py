"""A step-up: one proof more, for one action, in the session that is in front.

What it is asked for waits on the server. What it brings is the session's alone: freshness as any proof has it, and the assurance of a
sign-on for a bounded time, until a lock at the latest. The shift and the clinician's other sessions stay as they are.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from policies.decision import StepUp
from sso.errors import SignOnRefused
from sso.provider import SignedOn
from sso.session import FEDERATED

from .audit.event import EventType
from .audit.journal import Journal
from .session_events import session_event
from .sessions import Seat, Sessions
from .stores.base import CodeStore

_LIFE = 15 * 60.0  # seconds that it waits for its proof, as long as the ticket that leads back
_LONGEST_TICKET = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """A proof that a session has been asked for."""

    session: str
    needs: StepUp
    back: str  # the path of the main host that leads to what was refused
    says: str = ""  # why, for the clinician
    about: Mapping[str, str] = field(default_factory=dict)  # the action, as the journal names it

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Wanted:
        value = json.loads(data)
        needs = value.pop("needs")
        return cls(needs=StepUp(needs["assurance"], tuple(needs["local"])), **value)

    @property
    def journalled(self) -> dict[str, object]:
        """What the event of its proof says beside who and how."""
        return {"step_up": True, **self.about}


class StepUps:
    def __init__(
        self, store: CodeStore, sessions: Sessions, journal: Journal, now: Callable[[], float], lasts: float
    ) -> None:
        """`lasts`: seconds that a raised assurance holds."""
        self._store = store
        self._sessions = sessions
        self._journal = journal
        self._now = now
        self.lasts = lasts

    async def ask(self, wanted: Wanted) -> str:
        """A ticket for the proof, good in its session only. Raises StoreUnavailable."""
        ticket = secrets.token_urlsafe(24)
        await self._store.put_code("step-up", ticket, wanted.to_json(), self._now() + _LIFE)
        return ticket

    async def asked(self, ticket: str, seat: Seat) -> Wanted | None:
        """What this session was asked for; None for another's, one that was given, and one of long ago."""
        if len(ticket) > _LONGEST_TICKET:
            return None
        kept = await self._store.read_code("step-up", ticket, self._now())
        wanted = Wanted.from_json(kept) if kept else None
        return wanted if wanted is not None and wanted.session == seat.session.id else None

    async def given(self, ticket: str) -> None:
        await self._store.take_code("step-up", ticket, self._now())

    def assurance(self, seat: Seat, wanted: Wanted) -> int:
        """What a sign-on must bring. One that is weaker than the shift's makes nothing fresh either."""
        return max(wanted.needs.assurance, seat.shift.principal.assurance)

    async def by_sign_on(self, seat: Seat, wanted: Wanted, signed_on: SignedOn, source: str) -> None:
        """Written down, and then it holds. Raises SignOnRefused, by which nothing has changed."""
        self._check(seat, wanted, signed_on)
        turn, found = seat.session.turn, signed_on.principal
        until = self._now() + self.lasts
        raised = {"until": until} if found.assurance > seat.shift.principal.assurance else {}
        event = session_event(
            EventType.LOGIN_OK,
            self._now(),
            seat,
            method=FEDERATED,
            acr=signed_on.acr,
            amr=list(signed_on.amr),
            assurance=found.assurance,
            source=source,
            **raised,
            **wanted.journalled,
        )
        await self._journal.record(event)
        if not await self._sessions.step_up(seat, signed_on, until, turn=turn):
            raise SignOnRefused("state", "the session was locked meanwhile, or is over")

    def _check(self, seat: Seat, wanted: Wanted, signed_on: SignedOn) -> None:
        known, found = seat.shift.principal, signed_on.principal
        if (known.issuer, known.subject) != (found.issuer, found.subject):
            raise SignOnRefused("other-person", "somebody else signed on at the identity provider")
        if found.role != known.role or not known.roles >= found.roles:
            raise SignOnRefused("other-role", "the clinician came back in another role")
        if found.assurance < self.assurance(seat, wanted):
            raise SignOnRefused("assurance", "the proof was not as strong as was asked")

    async def failed(self, seat: Seat, wanted: Wanted, reason: str, source: str) -> None:
        """Write down a proof that was none."""
        fields = {**wanted.journalled, "reason": reason, "source": source}
        await self._journal.record(session_event(EventType.LOGIN_FAILED, self._now(), seat, **fields))
