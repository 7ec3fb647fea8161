"""What the walk makes of the journal's events: every one in the right name, or which one is not."""

from __future__ import annotations

from typing import Any

import pytest

from demo.browser import Wanting
from demo.walk.journal import mixed_up

OKOYE = {"session": "s1", "subject": "nurse", "name": "Ngozi Okoye"}
ADLER = {"session": "s2", "subject": "doctor", "name": "Lee Adler"}
SEATED = [{"type": "session.seated", **who} for who in (OKOYE, ADLER)]


def test_a_journal_in_which_each_acts_in_their_own_session_is_well() -> None:
    """Also with events that have no session, or no name."""
    mixed_up(
        [
            *SEATED,
            {"type": "access.intent", **OKOYE},
            {"type": "access.completed", "session": "s2"},
            {"type": "gateway.started"},
        ]
    )


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({**OKOYE, "session": "s2"}, "of one clinician in another's session"),
        ({**OKOYE, "name": "Lee Adler"}, "of one clinician in another's session"),
        ({**OKOYE, "session": "s3"}, "of a session that nobody was seated in"),
    ],
)
def test_an_event_in_another_s_name_is_found(event: dict[str, Any], says: str) -> None:
    """By person, by name, or in a session out of nowhere."""
    with pytest.raises(Wanting, match=says):
        mixed_up([*SEATED, {"type": "access.intent", **event}])
