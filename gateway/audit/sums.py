"""What is counted instead of written one by one: assets given out, and requests refused before a session was looked at.

Memory is bounded whatever comes in: beyond a number of keys, the rest are counted together under `others`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .event import AuditEvent, EventType

OTHERS = "others"
_MOST = 1024  # sources, or sessions, that are counted apart between two sums

Key = tuple[str, str]


class Sums:
    def __init__(self) -> None:
        self._assets: dict[Key, int] = {}
        self._rejected: dict[Key, int] = {}
        self._lost = 0

    def asset(self, session: str, system: str) -> None:
        _add(self._assets, (session, system), 1)

    def rejected(self, source: str, reason: str) -> None:
        _add(self._rejected, (source, reason), 1)

    def lost(self) -> None:
        """An event that nobody waited for could not be written."""
        self._lost += 1

    def take(self, at: float) -> Iterator[AuditEvent]:
        """The sums since the last time, as events; what is not taken stays counted."""
        while self._assets:
            (session, system), number = self._assets.popitem()
            yield AuditEvent(EventType.RECORD_COMPLETED, at, {"assets": number, "session": session, "system": system})
        while self._rejected:
            (source, reason), number = self._rejected.popitem()
            yield AuditEvent(EventType.REQUEST_REJECTED, at, {"count": number, "reason": reason, "source": source})
        if self._lost:
            lost, self._lost = self._lost, 0
            yield AuditEvent(EventType.CONTROL_FAILURE, at, {"control": "journal-notes", "lost": lost})


def _add(sums: dict[Key, int], key: Key, number: int) -> None:
    if key not in sums and len(sums) >= _MOST:
        key = (OTHERS, key[1] if len(sums) < 2 * _MOST else OTHERS)
    sums[key] = sums.get(key, 0) + number
