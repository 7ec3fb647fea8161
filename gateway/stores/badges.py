"""Badges in SQL: by a keyed hash of the number, sealed, and one holder for each."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select

from sso.badge import Badge, Holder

from .base import key_hash
from .rows import Rows, put_new
from .schema import badges


class BadgeRows(Rows):
    """The part of SqlStore that is a BadgeStore."""

    async def put_badge(self, hashed: str, badge: Badge) -> bool:
        value = self._seal.seal(json.dumps(asdict(badge)).encode(), purpose=f"badge:{hashed}")
        row = {"hash": hashed, "id": badge.id, "person": key_hash(*badge.holder), "value": value}
        return await self._do(lambda c: put_new(c, badges, row))

    async def badge(self, hashed: str) -> Badge | None:
        found = await self._badges(badges.c.hash == hashed)
        return found[0] if found else None

    async def badges_of(self, holder: Holder) -> list[Badge]:
        return sorted(await self._badges(badges.c.person == key_hash(*holder)), key=lambda badge: badge.registered)

    async def forget_badge(self, holder: Holder, badge_id: str) -> bool:
        one = delete(badges).where(badges.c.id == badge_id, badges.c.person == key_hash(*holder))
        return await self._do(lambda c: c.execute(one).rowcount == 1)

    async def _badges(self, where: Any) -> list[Badge]:
        asked = select(badges.c.hash, badges.c.value).where(where)
        return await self._ask(lambda c: [self._badge(hashed, value) for hashed, value in c.execute(asked)])

    def _badge(self, hashed: str, value: str) -> Badge:
        fields = json.loads(self._seal.unseal(value, purpose=f"badge:{hashed}"))
        return Badge(**{**fields, "holder": Holder(*fields["holder"])})
