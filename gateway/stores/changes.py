"""Which shifts and sessions were written, and by whom, in SQL: what the others' caches drop.

A row is written in the transaction of what it tells of. The last few thousand are kept: whoever has slept longer believes nothing.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, delete, func, insert, select

from .base import Heard
from .schema import changes

_KEPT = 10_000
_TRIMMED_EVERY = 500


def tell(c: Connection, origin: str, keys: tuple[str, ...]) -> None:
    """`origin`: whoever reads as this one hears nothing of it. The order of ids is to be that of commits: see to it before."""
    if rows := [{"key": key, "origin": origin} for key in keys]:
        trim(c, max(c.execute(insert(changes).values(rows).returning(changes.c.id)).scalars()))


def trim(c: Connection, last: int) -> None:
    """Forget the oldest, now and then. `last`: the number of the latest; 0 for none."""
    if last and last % _TRIMMED_EVERY < 2:
        c.execute(delete(changes).where(changes.c.id <= last - _KEPT))


def heard(c: Connection, origin: str, since: str | None) -> Heard:
    """One statement: what is committed while it is read is in it whole or not at all."""
    last = select(func.coalesce(func.max(changes.c.id), 0, type_=BigInteger).label("last")).subquery()
    place = int(since) if since is not None else None
    if place is None:
        return Heard(str(c.execute(select(last.c.last)).scalar_one()), None)
    later = last.outerjoin(changes, changes.c.id > place)
    rows = c.execute(select(last.c.last, changes.c.key, changes.c.origin).select_from(later)).all()
    now = rows[0].last
    if not now - _KEPT <= place <= now:
        return Heard(str(now), None)
    return Heard(str(now), frozenset(row.key for row in rows if row.key is not None and row.origin != origin))
