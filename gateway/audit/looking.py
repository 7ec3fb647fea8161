"""A page's look into the journal: written down first, then asked of the searchable copy, one look at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from ..errors import SearchUnavailable
from .asked import Copy
from .event import AuditEvent, EventType
from .journal import Journal
from .search import catch_up, open_copy

T = TypeVar("T")


@contextlib.contextmanager
def local_copy(data_dir: Path) -> Iterator[Copy]:
    """This machine's, brought up to its journal. Raises sqlite3.Error, OSError."""
    with contextlib.closing(open_copy(data_dir)) as copy:
        catch_up(data_dir, copy)
        yield copy


class Looking:
    def __init__(
        self,
        data_dir: Path,
        journal: Journal,
        now: Callable[[], float],
        opened: Callable[[Path], contextlib.AbstractContextManager[Copy]] = local_copy,
    ) -> None:
        """`opened` gives the copy that is asked, and may raise SearchUnavailable."""
        self._data_dir = data_dir
        self._opened = opened
        self._journal = journal
        self._now = now
        self._turn = asyncio.Lock()  # whoever looks waits for whoever looks, and clinicians for neither

    async def look(self, question: Mapping[str, object], by: Mapping[str, object], ask: Callable[[Copy], T]) -> T:
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

    def _asked(self, ask: Callable[[Copy], T]) -> T:
        with self._opened(self._data_dir) as copy:
            return ask(copy)
