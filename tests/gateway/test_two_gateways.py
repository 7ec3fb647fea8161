"""Two gateways over one store, and a clinician whose requests come to one after the other: one log-on, one jar, one patient."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Credential, Share, UpstreamSession
from connectors.errors import AnswerTooLarge, ConnectorError, CredentialRefused, SystemMisbehaves, SystemUnavailable
from gateway.audit.event import EventType
from gateway.errors import OpenElsewhere, OtherPatient, WriteNotSent
from gateway.leases import Leases
from gateway.log_on import LogOn
from gateway.proxy.limits import Bulkhead
from gateway.store_places import database_place
from gateway.stores.postgres import PostgresStore
from gateway.stores.sqlite import SqliteStore
from sso.errors import StoreUnavailable
from sso.seal import Seal, new_key
from tests.counterparts.postgres import PASSWORD, PostgresServer

from .test_upstreams import NOTE, Shelf, Ward, asked, html, opens, seat

ALL = list(Share)
FORM = asked("POST", b"/save", b"text", referer=b"https://pas.test/notes")


def two(share: Share = Share.SESSION) -> tuple[Ward, Ward]:
    """Behind any load balancer, in front of one old system that keeps the current patient."""
    one = Ward(share, Shelf(shared=True))
    other = Ward(share, one.shelf, old=one.old)
    other.cards = one.cards
    for ward in (one, other):
        ward.system.keeps_patient = True
        ward.system.bulkhead = Bulkhead("Old PAS", 4)
    return one, other


async def through(ward: Ward, session: str = "one") -> LogOn:
    live = await ward.sessions.logged_on(seat(session), ward.system)
    assert live is not None
    return live


async def looks_at(ward: Ward, patient: str, page: bytes = b"/notes", session: str = "one") -> str:
    """Somebody's page goes out by this gateway; the mark that it carries."""
    live, access = await through(ward, session), opens(patient)
    await ward.sessions.absorb(ward.system, live, asked(target=page), html())
    return await ward.sessions.showed(ward.system, live, asked(target=page), access, access.resource.patients)


async def test_the_jar_is_what_the_last_answer_left() -> None:
    """Whichever gateway that answer came through."""
    a, b = two()
    for n in range(6):
        here, there = (a, b) if n % 2 else (b, a)
        live = await through(here)
        await here.sessions.absorb(here.system, live, asked(target=b"/%d" % n), html())
        assert (await through(there)).session.state == {"cookies": [f"/{n}"]}
    assert len(a.old.log_ons) == 1


async def test_answers_at_the_same_time_lose_nothing() -> None:
    """Each of many answers at two gateways is in the log-on that both have afterwards."""
    a, b = two()

    async def absorb(session: UpstreamSession, inbound: Any, response: Any) -> bool:
        jar = session.state["cookies"]
        await asyncio.sleep(0)
        if inbound.target.decode() not in jar:
            jar.append(inbound.target.decode())
        return True

    a.old.absorb = absorb  # type: ignore[method-assign]  # a jar of many cookies
    live = [await through(ward) for ward in (a, b)]
    answers = [(ward, one, b"/%d" % n) for n in range(20) for ward, one in zip((a, b), live, strict=True)]
    await asyncio.gather(*(w.sessions.absorb(w.system, one, asked(target=t), html()) for w, one, t in answers))
    for ward in (a, b):
        now = await through(ward)
        assert sorted(now.session.state["cookies"]) == sorted(f"/{n}" for n in range(20))
        assert now.shown >= len(answers)


async def test_nothing_is_written_where_nothing_changed() -> None:
    """An answer without a cookie that is no page: the version is looked at, once, and that is all."""
    a, _ = two()
    a.old.absorb = lambda *_: asyncio.sleep(0, False)  # type: ignore[method-assign,assignment]  # no cookie
    live = await through(a)
    before = a.shelf.versions, a.shelf.asked
    live = await through(a)
    image = replace(html(), headers=((b"content-type", b"image/png"),))
    await a.sessions.absorb(a.system, live, asked(), image)
    assert (a.shelf.versions, a.shelf.asked) == (before[0], before[1] + 1)


async def test_one_process_pays_nothing() -> None:
    """Where nobody else is on the store, it is not asked for a version at all."""
    ward = Ward()
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live is not None
    written = ward.shelf.versions
    await ward.sessions.absorb(ward.system, live, asked(), html())
    await ward.sessions.logged_on(seat(), ward.system)
    assert (ward.shelf.asked, ward.shelf.versions) == (0, written)


async def test_an_answer_that_cannot_be_kept_is_not_let_out() -> None:
    """The other gateway would go on with an older jar: the store's absence is told instead."""
    a, b = two()
    live = await through(a)
    a.shelf.away = True
    with pytest.raises(StoreUnavailable):
        await a.sessions.absorb(a.system, live, asked(target=b"/new"), html())
    a.shelf.away = False
    assert (await through(a)).session.state == (await through(b)).session.state == {"cookies": []}


# Two tabs, two patients, two gateways


async def test_a_form_of_another_tab_s_patient_is_refused_at_the_other_gateway() -> None:
    """One tab's page came through A, the other's through B: the form of the first is filed under nobody else."""
    a, b = two()
    await looks_at(a, "H1", b"/notes")
    await looks_at(b, "H2", b"/summary")
    for ward in (a, b):
        with pytest.raises(OtherPatient):
            await ward.sessions.refuse_other_patient(ward.system, await through(ward), FORM, NOTE)
    await looks_at(b, "H1", b"/notes")
    await a.sessions.refuse_other_patient(a.system, await through(a), FORM, NOTE)


async def test_a_mark_is_known_at_the_other_gateway() -> None:
    """Two pages of one address: whom a form's page was about is told by its mark, whoever gave that."""
    a, b = two()
    first = await looks_at(a, "H1")
    second = await looks_at(b, "H2")
    for ward in (a, b):
        for mark, fits in ((first, False), (second, True)):
            form = replace(FORM, headers=(*FORM.headers, (b"cookie", b"__Host-lanyard-at=" + mark.encode()),
                                          (b"sec-fetch-dest", b"document")))  # fmt: skip
            there, about = await ward.sessions.written_on(seat(), ward.system, form)
            assert there is fits
            assert {ref.value for ref in about} == {"H2" if fits else "H1"}


async def test_a_form_that_names_its_patient_puts_both_gateways_there() -> None:
    """Before it is sent: what is written after it at the other gateway is judged by it."""
    a, b = two()
    await looks_at(a, "H1")
    named = replace(NOTE, patients=opens("H2").resource.patients)
    await a.sessions.refuse_other_patient(a.system, await through(a), FORM, named)
    with pytest.raises(OtherPatient):
        await b.sessions.refuse_other_patient(b.system, await through(b), FORM, NOTE)


async def test_a_form_that_came_too_late_knows_where_the_system_is() -> None:
    """Kept at A and sent at B: only while no page was shown since, at either."""
    a, b = two()
    await looks_at(a, "H1")
    came_to = await a.sessions.known(seat(), a.system)
    assert came_to == await b.sessions.known(seat(), b.system) != ""
    assert await b.sessions.written_on(seat(), b.system, FORM) == (True, opens("H1").resource.patients)
    await looks_at(b, "H2")
    assert await a.sessions.known(seat(), a.system) != came_to
    assert await a.sessions.written_on(seat(), a.system, FORM) == (False, frozenset())


async def test_a_form_of_a_dead_log_on_s_page_is_refused_at_both() -> None:
    """The system forgot the clinician at A, who logged on again there; B sends nothing of the pages before into it."""
    a, b = two()
    dead = await through(a)
    await looks_at(b, "H1")
    fresh = await a.sessions.again(seat(), a.system, dead)
    for ward in (a, b):
        with pytest.raises(WriteNotSent):
            ward.sessions.refuse_stale_write(await through(ward), FORM, NOTE)
    await looks_at(b, "H1")
    for ward in (a, b):
        live = await through(ward)
        assert live.id == fresh.id
        ward.sessions.refuse_stale_write(live, FORM, NOTE)


async def test_an_answer_of_a_dead_log_on_changes_nothing_in_the_next() -> None:
    """It came late, at the other gateway: its cookies are not put into the jar of the new one, and its page is not known there."""
    a, b = two()
    dead = await through(b)
    fresh = await a.sessions.again(seat(), a.system, dead)
    await b.sessions.absorb(b.system, dead, asked(target=b"/notes"), html())
    live = await through(b)
    assert live.id == fresh.id
    assert live.session.state == {"cookies": []}
    with pytest.raises(WriteNotSent):
        b.sessions.refuse_stale_write(live, FORM, NOTE)
    with pytest.raises(WriteNotSent):
        await b.sessions.refuse_other_patient(
            b.system, dead, FORM, replace(NOTE, patients=opens("H1").resource.patients)
        )


# Ends


@pytest.mark.parametrize("share", ALL)
async def test_what_is_signed_off_at_one_is_gone_at_the_other(share: Share) -> None:
    """Also where the gateway that hears of the sign-off never saw the log-on; the system is told once."""
    a, b = two(share)
    await through(a)
    await b.sessions.end(seat(), {"pas": b.system}, whole_shift=True)
    assert (a.old.log_offs, a.shelf.kept) == (["s1"], {})
    assert await a.sessions.known(seat(), a.system) == ""
    await through(a)
    assert len(a.old.log_ons) == 2


async def test_both_sweeps_log_off_once() -> None:
    """A session that nobody signed off was used at both gateways."""
    a, b = two()
    for ward in (a, b):
        await through(ward)
        ward.over.add("one")
    await asyncio.gather(*(ward.sessions.sweep({"pas": ward.system}) for ward in (a, b)))
    assert a.old.log_offs == ["s1"]
    types = [*a.book.types(), *b.book.types()]
    assert types.count(EventType.UPSTREAM_LOGGED_OFF) == 1


async def test_what_nobody_uses_for_a_while_is_let_go_and_found_again() -> None:
    """It is the same log-on, at the same patient; and who is over by then is logged off all the same."""
    ward, _ = two()
    systems = {"pas": ward.system}
    await looks_at(ward, "H1")
    before = await through(ward)
    await ward.sessions.sweep(systems)
    assert await through(ward) is before, "it was used since"
    for _ in range(3):
        await ward.sessions.sweep(systems)
    again = await through(ward)
    assert again is not before
    assert (again.id, again.current.at, len(ward.old.log_ons)) == (before.id, before.current.at, 1)
    for _ in range(3):
        await ward.sessions.sweep(systems)
    assert ward.old.log_offs == []
    ward.over.add("one")
    await ward.sessions.sweep(systems)
    assert ward.old.log_offs == ["s1"]


async def test_one_for_each_clinician_is_one_for_both_gateways() -> None:
    """Open on another device, at another gateway: said; once that one is locked, taken over, and the first has it no more."""
    a, b = two(Share.ONE_PER_CLINICIAN)
    first, locked = await through(a, "one"), seat("one")
    with pytest.raises(OpenElsewhere):
        await through(b, "two")
    locked.session.lock(1.0, "clinician")
    b.sessions._seat_of = lambda session: asyncio.sleep(0, locked)
    second = await through(b, "two")
    assert (second.id != first.id, a.old.log_offs) == (True, ["s1"])
    with pytest.raises(OpenElsewhere):
        await through(a, "one")
    with pytest.raises(WriteNotSent):
        b.sessions.refuse_stale_write(second, FORM, NOTE)


async def test_a_log_on_that_went_to_another_device_is_not_used_by_the_one_before() -> None:
    """Its answer says that it is logged off just as the other device has logged on: that one's patient is not moved."""
    a, b = two(Share.ONE_PER_CLINICIAN)
    dead, locked = await through(a, "one"), seat("one")
    locked.session.lock(1.0, "clinician")
    b.sessions._seat_of = lambda session: asyncio.sleep(0, locked)
    await through(b, "two")
    with pytest.raises(OpenElsewhere):
        await a.sessions.again(seat("one"), a.system, dead)


# One log-on


async def test_fifty_first_requests_at_each_make_one_log_on() -> None:
    """F22: single-flight across gateways; whoever waited goes through the first one's."""
    a, b = two()
    slow(a)
    live = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)))
    assert len(a.old.log_ons) == 1
    assert len({one.id for one in live}) == 1


async def test_fifty_who_are_refused_at_each_try_once() -> None:
    """F22: the system locks nobody's account; at both gateways, and for the rest of the shift, also on another device."""
    a, b = two()
    slow(a)
    a.old.refuses = True
    ends = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)), return_exceptions=True)
    assert {type(end) for end in ends} == {CredentialRefused}
    for ward in (a, b):
        ward.at = 3600.0
        with pytest.raises(CredentialRefused, match="not tried again"):
            await through(ward, "two")
    assert len(a.old.log_ons) == 1


async def test_a_system_that_does_not_answer_is_not_asked_by_each_who_waited() -> None:
    """F22: they fail with the first; five seconds later it is asked again."""
    a, b = two()
    log_on = a.old.log_on
    tries = 0

    async def silent(credential: Credential, client: Any) -> UpstreamSession:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.05)
        raise SystemUnavailable("the system does not answer")

    a.old.log_on = silent  # type: ignore[method-assign]  # as an old system does
    ends = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(10)), return_exceptions=True)
    assert {(type(end), str(end)) for end in ends} == {(SystemUnavailable, "the system does not answer")}
    assert tries == 1
    a.old.log_on = log_on  # type: ignore[method-assign]  # and is back
    b.at = 5.1
    await through(b)


@pytest.mark.parametrize(
    "how", [SystemMisbehaves("neither yes nor no"), AnswerTooLarge("no end"), ValueError("a mistake of ours")]
)
async def test_an_answer_that_is_neither_yes_nor_no_is_asked_for_once(how: Exception) -> None:
    """F22: an old system that says 500, or shows a page that nobody knows, to a wrong password counts it all the same."""
    a, b = two()
    tries = _answers(a, how)
    ends = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(end, Exception) for end in ends)
    assert len(tries) == 1
    for ward in (a, b):
        ward.at = 4.9
        with pytest.raises(ConnectorError):
            await through(ward)
    assert len(tries) == 1
    b.at = 5.1
    with pytest.raises(type(how)):
        await through(b)
    assert len(tries) == 2


async def test_an_answer_that_is_never_yes_nor_no_is_asked_for_ever_more_rarely() -> None:
    """F22: whoever goes on clicking, from another device as well, has tried five times in a quarter of an hour."""
    a, b = two()
    log_on = a.old.log_on
    tries = _answers(a, SystemMisbehaves("neither yes nor no"))
    for second in range(0, 901, 3):
        for ward, session in ((a, "one"), (b, "two")):
            ward.at = float(second)
            with pytest.raises(SystemMisbehaves, match="neither yes nor no"):
                await through(ward, session)
    assert len(tries) == 5
    a.old.log_on = log_on  # type: ignore[method-assign]  # it is mended
    b.at = 1300.0
    await through(b)


@pytest.mark.parametrize("how", [SystemMisbehaves("neither yes nor no"), CredentialRefused("no")])
async def test_a_wrong_one_is_tried_once_at_each_gateway_where_the_store_takes_no_note(how: Exception) -> None:
    """F22: at most twice, and the account is not locked."""
    a, b = two()
    tries = _answers(a, how)
    put_code = a.shelf.put_code

    async def full(kind: str, *given: Any) -> None:
        if kind.startswith("log-on"):
            raise StoreUnavailable("no room")
        await put_code(kind, *given)

    a.shelf.put_code = full  # type: ignore[method-assign]  # full
    ends = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)), return_exceptions=True)
    assert {type(end) for end in ends} == {type(how)}
    assert len(tries) == 2


def _answers(ward: Ward, how: Exception) -> list[Credential]:
    """What was tried at a system that answers a log-on so, and takes its time."""
    tries: list[Credential] = []

    async def log_on(credential: Credential, client: Any) -> UpstreamSession:
        tries.append(credential)
        await asyncio.sleep(0.05)
        raise how

    ward.old.log_on = log_on  # type: ignore[method-assign]  # as an old system does
    return tries


async def test_many_who_notice_a_log_off_at_both_make_one_new_log_on() -> None:
    """And it is the one that all of them have."""
    a, b = two()
    dead = [await through(ward) for ward in (a, b)]
    slow(a)
    pairs = [(ward, one) for ward, one in zip((a, b), dead, strict=True) for _ in range(20)]
    fresh = await asyncio.gather(*(ward.sessions.again(seat(), ward.system, one) for ward, one in pairs))
    assert len(a.old.log_ons) == 2
    assert len({one.id for one in fresh}) == 1


async def test_what_is_typed_at_two_gateways_is_tried_once() -> None:
    """A second click on the same button is no second wrong try, wherever it arrives."""
    a, b = two()
    slow(a)
    a.old.refuses = True
    typed, kept = Credential("nurse", "wrong"), asyncio.Event()

    async def keep() -> None:
        kept.set()

    clicks = [ward.sessions.prove(seat(), ward.system, typed, keep) for ward in (a, b)]
    ends = await asyncio.gather(*clicks, return_exceptions=True)
    assert {type(end) for end in ends} == {CredentialRefused}
    assert (len(a.old.log_ons), kept.is_set()) == (1, False)


async def test_what_was_typed_at_one_is_what_both_go_through() -> None:
    """And the one before it is logged off there."""
    a, b = two()
    first = await through(b)
    await a.sessions.prove(seat(), a.system, Credential("nurse", "new"), lambda: asyncio.sleep(0))
    for ward in (a, b):
        assert (await through(ward)).id != first.id
    assert a.old.log_offs == [first.session.id]


async def test_whoever_was_stopped_for_longer_than_the_lease_gives_way() -> None:
    """It wakes up, and its log-on would stand in place of another's: it is logged off again, and the other's is used."""
    a, b = two()
    log_on, reached, go = a.old.log_on, asyncio.Event(), asyncio.Event()

    async def stopped(credential: Credential, client: Any) -> UpstreamSession:
        a.old.log_on = log_on  # type: ignore[method-assign]  # only the first
        reached.set()
        await go.wait()
        return await log_on(credential, client)

    a.old.log_on = stopped  # type: ignore[method-assign]  # a machine that stands still
    waiting = asyncio.ensure_future(through(a))
    await reached.wait()
    a.shelf.leases.clear()  # as the store's own clock does
    other = await through(b)
    go.set()
    assert (await waiting).id == other.id
    assert a.old.log_offs == ["s2"]


def slow(ward: Ward) -> None:
    """The system takes longer over a log-on than anybody waits before they ask for their turn again."""
    log_on = ward.old.log_on

    async def slowly(credential: Credential, client: Any) -> UpstreamSession:
        await asyncio.sleep(0.15)
        return await log_on(credential, client)

    ward.old.log_on = slowly  # type: ignore[method-assign]  # the old system, made slower


# Leases


async def test_a_lease_is_renewed_while_its_work_goes_on() -> None:
    """Work that takes longer than the lease keeps everybody else out."""
    shelf = Shelf(shared=True)
    renewed: list[str] = []
    renew = shelf.renew_lease

    async def counted(name: str, holder: str, lasts: float) -> bool:
        renewed.append(holder)
        return await renew(name, holder, lasts)

    shelf.renew_lease = counted  # type: ignore[method-assign]  # counted
    async with Leases(shelf, shared=True, lasts=0.06).held("work") as lease:
        async with asyncio.timeout(5):
            while len(renewed) < 5:
                await asyncio.sleep(0.01)
        assert not lease.lost
    assert shelf.leases == {}


async def test_a_holder_that_is_gone_is_followed() -> None:
    """Nobody renews it: the store gives it to the next; and whoever held it is told."""
    shelf = Shelf(shared=True)
    async with Leases(shelf, shared=True, lasts=0.06).held("work") as lost:
        shelf.leases.clear()
        async with Leases(shelf, shared=True).held("work") as mine, asyncio.timeout(5):
            assert mine.fence > lost.fence
            while not lost.lost:
                await asyncio.sleep(0.01)
        assert not mine.lost


async def test_a_lease_ends_with_its_work_however_that_ends() -> None:
    """The next need not wait for it to run out."""
    shelf = Shelf(shared=True)
    leases = Leases(shelf, shared=True)
    with pytest.raises(KeyError):
        async with leases.held("work"):
            raise KeyError
    async with leases.held("work"):
        assert len(shelf.leases) == 1


async def test_alone_on_a_store_nothing_is_asked_of_it() -> None:
    """Whoever comes second waits for the first all the same."""
    shelf = Shelf()
    shelf.away = True
    leases, order = Leases(shelf, shared=False), []

    async def work(n: int) -> None:
        async with leases.held("work"):
            order.append(n)
            await asyncio.sleep(0)
            order.append(n)

    await asyncio.gather(*(work(n) for n in range(3)))
    assert order == [0, 0, 1, 1, 2, 2]


async def test_one_log_on_over_a_store_on_disk(tmp_path: Path) -> None:
    """F22: two processes' stores in one file."""
    seal = Seal.of(new_key().encode())
    await one_log_on(*(SqliteStore(tmp_path / "lanyard.db", seal, shared=True) for _ in range(2)))


@pytest.mark.counterpart
async def test_one_log_on_over_a_database(postgres: PostgresServer) -> None:
    """F22: two machines' stores in one PostgreSQL."""
    seal, place = Seal.of(new_key().encode()), database_place(postgres.new_database(f"two-{secrets.token_hex(4)}"))
    await one_log_on(*(PostgresStore(place, PASSWORD, seal) for _ in range(2)))


async def one_log_on(*stores: SqliteStore | PostgresStore) -> None:
    """Fifty first requests at each gateway, an answer through each, a sign-off, and a credential that is refused."""
    a = Ward(shelf=stores[0])
    b = Ward(shelf=stores[1], old=a.old)
    slow(a)
    live = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)))
    assert (len(a.old.log_ons), len({one.id for one in live})) == (1, 1)
    for here, there in ((a, b), (b, a)):
        await here.sessions.absorb(here.system, await through(here), asked(target=b"/%d" % id(here)), html())
        assert (await through(there)).session.state == {"cookies": [f"/{id(here)}"]}
    await b.sessions.end(seat(), {"pas": b.system}, whole_shift=False)
    a.old.refuses = True
    ends = await asyncio.gather(*(through(ward) for ward in (a, b) for _ in range(50)), return_exceptions=True)
    assert {type(end) for end in ends} == {CredentialRefused}
    assert len(a.old.log_ons) == 2
    for store in stores:
        await store.close()
