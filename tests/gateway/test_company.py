"""One worker hands over to another on the same file: for a while they are two, and nobody logs on twice or goes on with an old jar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.company import Company
from gateway.errors import OtherPatient
from gateway.log_on import LogOn
from gateway.sessions import Sessions
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN
from policies.model import Device
from sso.seal import Seal, new_key

from .test_sessions import IDLE, LONGEST, Clock, proof
from .test_two_gateways import FORM, NOTE, looks_at, slow, through
from .test_upstreams import Ward, asked, html


class Crew:
    """One worker's rooms, over a store of its own on the file."""

    def __init__(self, ward: Ward, store: SqliteStore, clock: Clock) -> None:
        self.ward = ward
        self.store = store
        self.sessions = Sessions(store, clock, longest=LONGEST)
        self.company = Company(store, self.sessions, ward.sessions, always=False)


class Hands:
    """The crew that serves, and one that takes over when a test says so."""

    def __init__(self, path: Path) -> None:
        self._path, self._seal = path, Seal.of(new_key().encode())
        self.clock = Clock()
        self.before = self._crew(None)

    def _crew(self, before: Crew | None) -> Crew:
        store = SqliteStore(self._path, self._seal, shared=before is not None)
        ward = Ward(shelf=store, old=before.ward.old if before else None)
        ward.system.keeps_patient = True
        return Crew(ward, store, self.clock)

    async def another(self) -> Crew:
        """As the parent begins it: whoever serves is told first."""
        await self.before.company.begins()
        self.after = self._crew(self.before)
        return self.after


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    made = Hands(tmp_path / "lanyard.db")
    yield made
    await made.before.store.close()
    await made.after.store.close()


async def test_fifty_first_requests_during_a_reload_make_one_log_on(hands: Hands) -> None:
    """F22: also where the first of them was under way before the other crew began."""
    old = hands.before.ward
    slow(old)
    early = [asyncio.ensure_future(through(old)) for _ in range(25)]
    while not old.old.log_ons:
        await asyncio.sleep(0)
    after = await hands.another()
    live: list[LogOn] = await asyncio.gather(*early, *(through(after.ward) for _ in range(25)))
    assert len(old.old.log_ons) == 1
    assert len({one.id for one in live}) == 1


async def test_what_the_one_changes_the_other_goes_on_with(hands: Hands) -> None:
    """A jar that was not written yet, answers of both while they are two, and what is left when one has gone."""
    old = hands.before.ward
    await old.sessions.absorb(old.system, await through(old), asked(target=b"/before"), html())
    after = await hands.another()
    new = after.ward
    assert (await through(new)).session.state == {"cookies": ["/before"]}
    for n, (here, there) in enumerate(((new, old), (old, new), (new, old), (old, new))):
        await here.sessions.absorb(here.system, await through(here), asked(target=b"/%d" % n), html())
        assert (await through(there)).session.state == {"cookies": [f"/{n}"]}
    held = await through(new)
    await old.sessions.absorb(old.system, await through(old), asked(target=b"/last"), html())
    await after.company.ends()
    await new.sessions.absorb(new.system, held, asked(target=b"/alone"), html())
    assert (await through(new)).session.state == {"cookies": ["/alone"]}
    await new.sessions.keep()
    _, kept = await after.store.get_upstream(held.key) or (0, b"")
    assert b"/alone" in kept


async def test_a_form_of_another_patient_is_refused_by_the_crew_that_took_over(hands: Hands) -> None:
    """The one before still finishes a page that put the system at somebody else."""
    await looks_at(hands.before.ward, "H1", b"/notes")
    new = (await hands.another()).ward
    await looks_at(new, "H1", b"/notes")
    await looks_at(hands.before.ward, "H2", b"/summary")
    with pytest.raises(OtherPatient):
        await new.sessions.refuse_other_patient(new.system, await through(new), FORM, NOTE)


async def test_who_was_at_work_just_now_is_not_idle_for_the_other_crew(hands: Hands) -> None:
    """When they were last seen is written before it begins; and a lock is heard by whoever is asked next."""
    before = hands.before.sessions
    seat, token, _ = await before.sign_on(proof(), Device(), MAIN, idle=IDLE, previous=None)
    hands.clock.at += IDLE - 10
    before.touch(seat)
    after = await hands.another()
    hands.clock.at += 20
    there = await after.sessions.seated(token.encode(), MAIN)
    assert there is not None
    await after.sessions.lock(there.session, "clinician")
    await before.hear()
    assert await before.seated(token.encode(), MAIN) is None


async def test_alone_again_it_pays_nothing(hands: Hands) -> None:
    """Nothing is asked or written for each look once the other crew is gone."""
    after = await hands.another()
    assert after.store.shared
    await after.company.ends()
    assert not after.store.shared
    live = await through(after.ward)
    await after.ward.sessions.absorb(after.ward.system, live, asked(target=b"/page"), html())
    assert live.dirty


async def test_among_several_workers_it_stays_shared(tmp_path: Path, hands: Hands) -> None:
    """Where there are others in any case, a reload changes nothing."""
    after = await hands.another()
    company = Company(after.store, after.sessions, after.ward.sessions, always=True)
    await company.ends()
    assert after.store.shared
