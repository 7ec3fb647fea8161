"""Badges at work: whose one is, who registers one, and which are forgotten, each written down. A number is written nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sso.badge import MOST, Badge, BadgeRefused, Holder, number
from sso.seal import Seal

from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .config import BadgesTable
from .stores.base import Store

_PURPOSE = "badge"


class Badges:
    def __init__(
        self, store: Store, seal: Seal, journal: Journal, settings: BadgesTable, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._seal = seal
        self._journal = journal
        self._settings = settings
        self._now = now

    async def whose(self, typed: str) -> Holder | None:
        """Whose badge a reader typed; None for nobody's. It selects: whoever holds it has proved nothing. Raises StoreUnavailable."""
        holders = [await self._store.badge(mark) for mark in self.marks(typed)]
        return next((badge.holder for badge in holders if badge is not None), None)

    def marks(self, typed: str) -> list[str]:
        """What it is found by; what can be no number has some too, and finds nothing."""
        return self._seal.marks(number(typed, self._settings.prefix, self._settings.suffix), purpose=_PURPOSE)

    async def of(self, holder: Holder) -> list[Badge]:
        return await self._store.badges_of(holder)

    async def register(self, holder: Holder, typed: str, *, by: str, **fields: object) -> None:
        """`fields`: more for the journal. Raises BadgeRefused, StoreUnavailable, JournalUnavailable."""
        try:
            await self._may(holder, typed)
        except BadgeRefused as refused:
            await self._say(EventType.BADGE_REFUSED, holder, reason=refused.reason, by=by, **fields)
            raise
        badge = Badge(secrets.token_hex(8), holder, self._now(), by)
        await self._say(EventType.BADGE_REGISTERED, holder, badge=badge.id, by=by, **fields)
        if not await self._store.put_badge(self.marks(typed)[0], badge):
            await self._say(EventType.BADGE_REFUSED, holder, reason="taken", by=by, **fields)
            raise _taken()

    async def _may(self, holder: Holder, typed: str) -> None:
        if not number(typed, self._settings.prefix, self._settings.suffix):
            raise BadgeRefused("unreadable", "that was no badge number: tap it once, on this reader")
        known = await self.whose(typed)
        if known is not None:
            raise BadgeRefused("yours", "this badge is yours already") if known == holder else _taken()
        if len(await self.of(holder)) >= MOST:
            raise BadgeRefused("many", f"{MOST} badges are registered already: remove one first")

    async def forget(self, holder: Holder, badge_id: str, *, by: str, **fields: object) -> bool:
        """Whether it was there."""
        if all(badge.id != badge_id for badge in await self.of(holder)):
            return False
        await self._say(EventType.BADGE_FORGOTTEN, holder, badge=badge_id, by=by, **fields)
        return await self._store.forget_badge(holder, badge_id)

    async def _say(self, kind: EventType, holder: Holder, **fields: object) -> None:
        who = {"issuer": holder.issuer, "subject": holder.subject}
        await self._journal.record(AuditEvent(kind, self._now(), {**who, **fields}))


def _taken() -> BadgeRefused:
    return BadgeRefused("taken", "this badge is registered to somebody else: whoever looks after badges can release it")
