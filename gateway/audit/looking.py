"""A page's look into the journal: written down first, then asked of the searchable copy, one look at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ..errors import SearchUnavailable
from .event import AuditEvent, EventType
from .journal import Journal
from .search import catch_up, open_copy

T = TypeVar("T")


class Looking:
    def __init__(self, data_dir: Path, journal: Journal, now: Callable[[], float]) -> None:
        self._data_dir = data_dir
        self._journal = journal
        self._now = now
        self._turn = asyncio.Lock()  # whoever looks waits for whoever looks, and clinicians for neither

    async def look(
        self, question: Mapping[str, object], by: Mapping[str, object], ask: Callable[[sqlite3.Connection], T]
    ) -> T:
        """What `ask` finds in the copy, which is brought up to the journal before.

        `by`: who looks, as `audit.read` says it. Raises JournalUnavailable, SearchUnavailable.
        """
        read = {**by, "question": dict(question)}
        await self._journal.record(AuditEvent(EventType.AUDIT_READ, self._now(), read))
        async with self._turn:
            try:
                return await asyncio.to_thread(self._asked, ask)
            except (sqlite3.Error, OSError) as error:
                raise SearchUnavailable("the journal's copy for questions did not answer") from error

    def _asked(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        with contextlib.closing(open_copy(self._data_dir)) as copy:
            catch_up(self._data_dir, copy)
            return ask(copy)
