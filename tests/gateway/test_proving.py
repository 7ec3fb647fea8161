"""What was typed just now: tried once, used when the system takes it, and in the place of what was open before."""

from __future__ import annotations

import asyncio

import pytest

from connectors.base import Credential, Share
from connectors.errors import ConnectorError, CredentialRefused, PasswordChangeDue
from gateway.audit.event import EventType
from gateway.errors import JournalUnavailable, OpenElsewhere, WriteNotSent
from gateway.log_on_calls import Tried, nobody_notes
from gateway.proxy.limits import Bulkhead
from policies.model import Principal

from .test_upstreams import NOTE, Shelf, Ward, asked, seat

TYPED = Credential("nurse", "typed")


class Kept:
    """Counts what was kept; may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.error = error

    async def __call__(self) -> None:
        if self.error is not None:
            raise self.error
        self.times += 1


def ward(share: Share = Share.SESSION, shelf: Shelf | None = None, tried: Tried = nobody_notes) -> Ward:
    made = Ward(share, shelf, tried)
    made.system.bulkhead = Bulkhead("Old PAS", 4)
    return made


async def test_the_log_on_that_proves_is_the_one_that_is_used() -> None:
    """One log-on, kept after it, and every request goes through it."""
    here, kept = ward(), Kept()
    await here.sessions.prove(seat(), here.system, TYPED, kept)
    live = await here.sessions.logged_on(seat(), here.system)
    assert live is not None
    assert live.session.id == "s1"
    assert here.old.log_ons == [TYPED]
    assert kept.times == 1


async def test_a_refused_one_is_neither_used_nor_kept() -> None:
    """And takes nothing from what is open."""
    here, kept = ward(), Kept()
    open_before = await here.sessions.logged_on(seat(), here.system)
    here.old.refuses = True
    with pytest.raises(CredentialRefused):
        await here.sessions.prove(seat(), here.system, TYPED, kept)
    assert await here.sessions.logged_on(seat(), here.system) is open_before
    assert kept.times == 0
    assert here.old.log_offs == []


async def test_a_second_click_waits_for_the_first() -> None:
    """One try and one thing kept, however many clicks; another try later is another try."""
    here, kept = ward(), Kept()
    await asyncio.gather(*(here.sessions.prove(seat(), here.system, TYPED, kept) for _ in range(5)))
    assert (len(here.old.log_ons), kept.times) == (1, 1)
    await here.sessions.prove(seat(), here.system, TYPED, kept)
    assert len(here.old.log_ons) == 2


async def test_a_typed_refusal_does_not_let_the_kept_one_be_tried_again() -> None:
    """What was kept and refused in this shift stays untried, whatever is typed after it."""
    here = ward()
    here.old.refuses = True
    with pytest.raises(CredentialRefused):
        await here.sessions.logged_on(seat(), here.system)
    with pytest.raises(CredentialRefused):
        await here.sessions.prove(seat(), here.system, TYPED, Kept())
    with pytest.raises(CredentialRefused, match="not tried again"):
        await here.sessions.logged_on(seat(), here.system)
    assert [c.secret for c in here.old.log_ons] == ["right", "typed"]
    assert await here.sessions.refused(seat(), here.system) is CredentialRefused


async def test_what_is_open_gives_way_to_the_new_one() -> None:
    """It is logged off there, and forms of its pages are not sent into the new one."""
    here = ward()
    await here.sessions.logged_on(seat(), here.system)
    await here.sessions.prove(seat(), here.system, TYPED, Kept())
    assert here.old.log_offs == ["s1"]
    assert here.book.types()[-1] is EventType.UPSTREAM_LOGGED_OFF
    live = await here.sessions.logged_on(seat(), here.system)
    assert live is not None
    with pytest.raises(WriteNotSent):
        here.sessions.refuse_stale_write(live, asked("POST", b"/save", b"x", referer=b"https://pas.test/old"), NOTE)


async def test_where_one_log_on_is_allowed_the_old_one_goes_first() -> None:
    """The system would turn the new one away; another device's is left alone, and said."""
    here = ward(Share.ONE_PER_CLINICIAN)
    await here.sessions.logged_on(seat("one"), here.system)
    with pytest.raises(OpenElsewhere):
        await here.sessions.prove(seat("two"), here.system, TYPED, Kept())
    assert len(here.old.log_ons) == 1
    await here.sessions.prove(seat("one"), here.system, TYPED, Kept())
    assert here.old.log_offs == ["s1"]
    assert [e for e in here.book.types() if e is EventType.UPSTREAM_LOGGED_OFF] == [EventType.UPSTREAM_LOGGED_OFF]


async def test_what_cannot_be_written_down_is_not_kept() -> None:
    """The refusal is the journal's; the log-on stands, as its own event says."""
    here = ward()
    with pytest.raises(JournalUnavailable):
        await here.sessions.prove(seat(), here.system, TYPED, Kept(JournalUnavailable("closed", "no")))
    assert here.book.types() == [EventType.UPSTREAM_LOGGED_ON]


async def test_kept_ones_that_were_taken_or_refused_are_noted() -> None:
    """So that the vault can say so, also in the next shift."""
    heard: list[tuple[str, str]] = []

    async def tried(who: Principal, system: str, credential: Credential, no: CredentialRefused | None) -> None:
        heard.append((credential.secret, type(no).__name__))

    here = ward(tried=tried)
    await here.sessions.logged_on(seat("one"), here.system)
    here.old.refuses = True
    with pytest.raises(CredentialRefused):
        await here.sessions.logged_on(seat("two"), here.system)
    with pytest.raises(CredentialRefused):
        await here.sessions.prove(seat("two"), here.system, TYPED, Kept())
    assert heard == [("right", "NoneType"), ("right", "CredentialRefused")]


async def test_a_change_that_is_due_is_remembered_as_one() -> None:
    """The second opening in the shift says the same as the first, without a try."""
    here = ward()

    async def changes(credential: Credential, client: object) -> object:
        here.old.log_ons.append(credential)
        raise PasswordChangeDue("new password, please")

    here.old.log_on = changes  # type: ignore[method-assign,assignment]  # as an old system does every ninety days
    for _ in range(2):
        with pytest.raises(PasswordChangeDue):
            await here.sessions.logged_on(seat(), here.system)
    assert len(here.old.log_ons) == 1
    assert issubclass(PasswordChangeDue, ConnectorError)
