"""A page's look into the journal is written down before it is taken, and fails aloud."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.audit.journal import Journal
from gateway.audit.looking import Looking
from gateway.audit.search import Question, search
from gateway.errors import JournalUnavailable, SearchUnavailable

from .accesses import KEY, SMALL, of_type


async def test_a_look_is_written_down_before_it_is_taken(tmp_path: Path) -> None:
    """With who looks and what for; and the look finds it, since the copy is brought up first."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 5.0, **SMALL)
    looking = Looking(tmp_path, journal, lambda: 5.0)
    found = await looking.look({"device": "d"}, {"subject": "s.reid"}, lambda copy: search(copy, Question()))
    assert [(one.type, one.fields) for one in found] == [
        ("audit.read", {"question": {"device": "d"}, "subject": "s.reid"})
    ]
    await journal.close()
    assert of_type(tmp_path, "audit.read") == [{"question": {"device": "d"}, "subject": "s.reid"}]


async def test_nothing_is_looked_at_that_cannot_be_written_down(tmp_path: Path) -> None:
    """A journal that is closed: the question is never asked."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 5.0, **SMALL)
    await journal.close()
    with pytest.raises(JournalUnavailable):
        await Looking(tmp_path, journal, lambda: 5.0).look({}, {}, lambda copy: pytest.fail("it was asked"))


async def test_a_copy_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """As something that may be tried again, and the next look finds its turn."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 5.0, **SMALL)
    looking = Looking(tmp_path, journal, lambda: 5.0)
    with pytest.raises(SearchUnavailable):
        await looking.look({}, {}, lambda copy: copy.execute("SELECT nothing"))
    both = [looking.look({}, {}, lambda copy: len(search(copy, Question()))) for _ in range(2)]
    assert min(await asyncio.gather(*both)) >= 2  # the look that failed, and its own
    await journal.close()
