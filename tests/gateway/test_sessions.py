"""Cookies into seats: who sits where, until when, and how soon an end is seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.sessions import HOST_LIFE, Seat, Sessions
from gateway.stores.base import Heard, Store
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, NURSE, PAS, T0, enrolled
from policies.model import Device, Principal
from sso.errors import StoreUnavailable
from sso.provider import SignedOn
from sso.seal import Seal
from sso.tokens import VerifiedClaims

IDLE, LONGEST, STAYS = 300.0, 43200.0, 4 * 3600.0
CLAIMS = cast(VerifiedClaims, None)  # nothing here looks at them


class Clock:
    def __init__(self) -> None:
        self.at = T0

    def __call__(self) -> float:
        return self.at


class Counting:
    """A store that counts what is asked of it, and breaks when told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[str] = []
        self.broken = False

    @property
    def shared(self) -> bool:
        return self._store.shared

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if self.broken:
                raise StoreUnavailable("broken on purpose")
            return await getattr(self._store, name)(*arguments)

        return call


class Ward:
    """One clock, one database, as many gateways on it as a test opens."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self._path = path
        self.stores: list[SqliteStore] = []

    def gateway(self, *, shared: bool = False) -> tuple[Sessions, Counting]:
        self.stores.append(SqliteStore(self._path, Seal([b"k" * 32]), shared=shared))
        counting = Counting(self.stores[-1])
        return Sessions(cast(Store, counting), self.clock, longest=LONGEST), counting


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    opened = Ward(tmp_path / "sessions.db")
    yield opened
    for store in opened.stores:
        await store.close()


def proof(principal: Principal = NURSE, *, sid: str = "sid-1", refresh: str = "") -> SignedOn:
    return SignedOn(CLAIMS, principal, "", refresh, T0 + 300, T0, "", (), sid, "")


async def sit(
    sessions: Sessions, who: Principal = NURSE, previous: Seat | None = None, **more: str
) -> tuple[Seat, bytes]:
    seat, token, _ = await sessions.sign_on(proof(who, **more), Device(), MAIN, idle=IDLE, previous=previous)
    return seat, token.encode()


# Seats


async def test_a_cookie_seats_at_its_own_host_only(ward: Ward) -> None:
    """A cookie that a system's host learns opens neither the main host nor another system."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    there = (await sessions.host_token(seat, PAS)).encode()
    assert await sessions.seated(token, MAIN) == seat
    assert await sessions.seated(there, PAS) == Seat(seat.session, seat.shift, PAS, T0 + HOST_LIFE)
    assert await sessions.seated(token, PAS) is None
    assert await sessions.seated(there, MAIN) is None


async def test_whoever_asks_about_many_listens_once(ward: Ward) -> None:
    """Who looks through ten thousand log-ons for those that are over puts one question to the store, and not one for each."""
    sessions, store = ward.gateway(shared=True)
    seats = [(await sit(sessions, replace(NURSE, subject=f"nurse-{n}")))[0] for n in range(20)]
    store.calls.clear()
    found = [await sessions.believed_seat(seat.session.id) for seat in seats]
    assert [one.session.id for one in found if one] == [seat.session.id for seat in seats]
    assert store.calls.count("heard") <= 1
    store.calls.clear()
    assert await sessions.seat_of(seats[0].session.id) is not None
    assert store.calls == ["heard"]


async def test_an_id_token_is_not_held_and_is_there_when_its_shift_ends(ward: Ward) -> None:
    """Neither by whoever signed them on nor by another gateway; also after another sign-on has brought a later one."""
    (sessions, _), (other, _) = ward.gateway(shared=True), ward.gateway(shared=True)
    seat, token, _ = await sessions.sign_on(
        replace(proof(), id_token="first"), Device(), MAIN, idle=IDLE, previous=None
    )
    found = await other.seated(token.encode(), MAIN)
    assert found is not None
    assert (seat.shift.id_token, found.shift.id_token) == ("", "")
    assert await other.hint(found.shift) == "first"
    await other.confirmed(found.shift, replace(proof(), id_token="second"), found.session)
    assert found.shift.id_token == ""
    assert await sessions.hint(seat.shift) == "second"
    await sessions.writing(seat)
    await sessions.provider_away(seat.shift)
    assert await other.hint(seat.shift) == "second"
    await sessions.end_shift(seat.shift, "signed-off")
    assert await sessions.hint(seat.shift) == ""


async def test_a_cookie_at_a_system_s_host_lapses_and_its_session_does_not(ward: Ward) -> None:
    """After five minutes it seats nobody, here or at another gateway; the main host's still does, and the session is not locked by it."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    there = (await sessions.host_token(seat, PAS)).encode()
    ward.clock.at += IDLE - 1
    sessions.touch(seat)
    assert await sessions.seated(there, PAS) is not None
    assert await sessions.lapsed(there, PAS) is None
    ward.clock.at += 1
    await sessions.flush(all_of_it=True)
    for gateway in (sessions, ward.gateway()[0]):
        assert await gateway.seated(there, PAS) is None
        assert await gateway.at_lock(there, PAS) is None
        found = await gateway.lapsed(there, PAS)
        assert found is not None
        assert found.session.id == seat.session.id
        assert await gateway.lapsed(there, MAIN) is None, "at its own host only"
        assert await gateway.lapsed(token, MAIN) is None
        assert await gateway.seated(token, MAIN) is not None
    ward.clock.at += IDLE
    assert await sessions.lapsed(there, PAS) is None
    assert await sessions.at_lock(there, PAS) is not None


ODD = {
    "none (an empty value)": lambda t: b"",
    "COOKIE-002 (short)": lambda t: b"AAAA",
    "COOKIE-003 (one character more)": lambda t: t + b"x",
    "COOKIE-004 (case changed)": lambda t: t.swapcase(),
    "COOKIE-005 (a glob)": lambda t: b"*",
    "COOKIE-006 (a protocol's line end)": lambda t: b"gw:sess:1%0d%0aDEL%20x",
    "COOKIE-007 (a path)": lambda t: b"../../etc/passwd",
    "COOKIE-009 (quoted)": lambda t: b'"' + t + b'"',
    "bytes beyond ASCII": lambda t: t[:-1] + b"\x85",
    "a megabyte": lambda t: t * 25000,
}


@pytest.mark.parametrize("case", ODD)
async def test_a_value_that_is_not_exactly_the_cookie_seats_nobody(ward: Ward, case: str) -> None:
    """One spelling is the session; every other is none, without an error."""
    sessions, _ = ward.gateway()
    _, token = await sit(sessions)
    assert await sessions.seated(token, MAIN) is not None
    assert await sessions.seated(ODD[case](token), MAIN) is None


async def test_a_session_s_public_id_and_a_token_s_hash_are_no_cookies(ward: Ward, tmp_path: Path) -> None:
    """What stands in the journal or in the store opens nothing (COOKIE-024, COOKIE-032)."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    assert len(token) == 43, "256 bits in base64url"
    for known in (seat.session.id, seat.shift.id):
        assert await sessions.seated(known.encode(), MAIN) is None


async def test_an_unchanged_store_is_not_read_again(ward: Ward) -> None:
    """A thousand requests within the believed time cost no question at all; later ones ask what was heard only."""
    sessions, store = ward.gateway()
    _, token = await sit(sessions)
    await sessions.seated(token, MAIN)
    store.calls.clear()
    for _ in range(1000):
        assert await sessions.seated(token, MAIN) is not None
    assert store.calls == []
    ward.clock.at += 0.9
    await sessions.seated(token, MAIN)
    assert store.calls == ["heard"]


async def test_a_broken_store_is_neither_signed_off_nor_let_through(ward: Ward) -> None:
    """After the believed time StoreUnavailable is raised; when the store is back, so is the seat (HTTP-122)."""
    sessions, store = ward.gateway()
    _, token = await sit(sessions)
    await sessions.seated(token, MAIN)
    store.broken = True
    ward.clock.at += 1
    with pytest.raises(StoreUnavailable):
        await sessions.seated(token, MAIN)
    with pytest.raises(StoreUnavailable):
        await sessions.seated(b"x" * 43, MAIN)
    store.broken = False
    assert await sessions.seated(token, MAIN) is not None


# Ends by time


async def test_an_idle_session_locks_at_its_instant(ward: Ward) -> None:
    """Open just before, locked at the very end of the idle time, and `touch` begins it again."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    ward.clock.at += IDLE - 0.5
    assert await sessions.seated(token, MAIN) is not None
    sessions.touch(seat)
    ward.clock.at += IDLE - 0.5
    assert await sessions.seated(token, MAIN) is not None
    ward.clock.at += 0.5
    assert await sessions.seated(token, MAIN) is None
    assert await sessions.at_lock(token, MAIN) is not None
    assert await sessions.at_lock(token, PAS) is None
    ward.clock.at += STAYS
    assert await sessions.at_lock(token, MAIN) is None


async def test_a_lock_elsewhere_is_seen_within_a_second(ward: Ward) -> None:
    """And an unlocking; whoever was busy here meanwhile takes neither back."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    seat, token = await sit(here)
    assert await there.seated(token, MAIN) is not None
    here.touch(seat)
    other = await there.seat_of(seat.session.id)
    assert other is not None
    await there.lock(other.session, "follow-me")
    await here.host_token(seat, PAS)
    await here.flush(all_of_it=True)
    ward.clock.at += 1
    assert await here.seated(token, MAIN) is None
    held = await here.at_lock(token, MAIN)
    assert held is not None
    assert held.session.lock_reason == "follow-me"
    turn = held.session.turn
    assert not await here.unlock(held.session, "pin", ward.clock.at, turn=turn - 1), "another lock than was looked at"
    assert await here.unlock(held.session, "pin", ward.clock.at, turn=turn)
    assert not await here.unlock(held.session, "pin", ward.clock.at, turn=turn), "once"
    ward.clock.at += 1
    found = await there.seated(token, MAIN)
    assert found is not None
    assert (found.session.proof, found.proved) == ("pin", ward.clock.at - 1)


async def test_a_shift_ends_at_its_instant_however_busy(ward: Ward) -> None:
    """Activity moves no absolute end, and neither does a second sign-on."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    while ward.clock.at < T0 + LONGEST - 250:
        ward.clock.at += 250
        assert await sessions.seated(token, MAIN) is not None
        sessions.touch(seat)
    ward.clock.at = T0 + LONGEST - 0.5
    assert await sessions.seated(token, MAIN) is not None
    await sit(sessions)
    ward.clock.at = T0 + LONGEST
    assert await sessions.seated(token, MAIN) is None


async def test_a_restart_signs_nobody_off_and_gives_nobody_a_new_idle_time(ward: Ward) -> None:
    """What `touch` remembered is written within half a minute, and at the close."""
    before, _ = ward.gateway()
    seat, token = await sit(before)
    ward.clock.at += 200
    before.touch(seat)
    await before.flush(all_of_it=True)
    after, _ = ward.gateway()
    ward.clock.at += IDLE - 1
    assert await after.seated(token, MAIN) is not None
    ward.clock.at += 1
    assert await after.seated(token, MAIN) is None


async def test_when_sessions_were_seen_is_written_every_half_minute(ward: Ward) -> None:
    """Not at each request, and not never."""
    sessions, store = ward.gateway()
    seat, _ = await sit(sessions)
    for _ in range(29):
        ward.clock.at += 1
        sessions.touch(seat)
        await sessions.flush()
    assert "touch" not in store.calls
    ward.clock.at += 1
    await sessions.flush()
    await sessions.flush()
    assert store.calls.count("touch") == 1


async def test_a_write_that_failed_is_tried_again(ward: Ward) -> None:
    """When the store was away, what it missed is written later."""
    sessions, store = ward.gateway()
    seat, token = await sit(sessions)
    ward.clock.at += 250
    sessions.touch(seat)
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.flush(all_of_it=True)
    store.broken = False
    await sessions.flush(all_of_it=True)
    after, _ = ward.gateway()
    ward.clock.at += 100
    assert await after.seated(token, MAIN) is not None


# Ends by somebody


async def test_an_end_is_seen_at_once_here(ward: Ward) -> None:
    """The next request after sign-off is nobody's, at the main host and at a system's."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    there = (await sessions.host_token(seat, PAS)).encode()
    await sessions.end_session(seat.session, "signed-off")
    assert await sessions.seated(token, MAIN) is None
    assert await sessions.seated(there, PAS) is None


@pytest.mark.parametrize("how", ["session", "shift"])
@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
async def test_an_end_elsewhere_is_seen_within_a_second(ward: Ward, how: str, busy: bool) -> None:
    """Another gateway on the same database refuses the cookie, however active the session is there (HTTPX-322, COOKIE-026, OIDC-102)."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    seat, token = await sit(here)
    theirs = await there.seated(token, MAIN)
    assert theirs is not None
    if busy:
        there.touch(theirs)
    if how == "session":
        await here.end_session(seat.session, "signed-off")
    else:
        await here.end_shift(seat.shift, "signed-off")
    ward.clock.at += 0.9
    if busy:
        there.touch(theirs)
    assert await there.seated(token, MAIN) is None
    assert await there.seat_of(seat.session.id) is None


async def test_an_end_elsewhere_is_not_taken_back_by_what_was_seen_here(ward: Ward) -> None:
    """A late write of activity does not bring an ended session back to life."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    seat, token = await sit(here)
    theirs = await there.seated(token, MAIN)
    assert theirs is not None
    there.touch(theirs)
    await here.end_session(seat.session, "signed-off")
    await there.flush(all_of_it=True)
    ward.clock.at += 1
    assert await here.seated(token, MAIN) is None
    assert await there.seated(token, MAIN) is None


async def test_activity_counts_although_another_gateway_has_written(ward: Ward) -> None:
    """A cache that is dropped forgets no activity, not even that of a request still under way."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    seat, token = await sit(here)
    ward.clock.at += 250
    here.touch(seat)
    await sit(there, replace(NURSE, subject="other"))
    ward.clock.at += 200
    assert await here.seated(token, MAIN) is not None
    here.touch(seat)  # the seat that a long request got before the cache was dropped
    ward.clock.at += 200
    assert await here.seated(token, MAIN) is not None


async def test_a_clock_set_back_does_not_hide_an_end(ward: Ward) -> None:
    """What was believed until an instant is not believed for the hour that is lived twice."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    seat, token = await sit(here)
    assert await there.seated(token, MAIN) is not None
    ward.clock.at -= 3600
    await here.end_session(seat.session, "signed-off")
    ward.clock.at += 1
    assert await there.seated(token, MAIN) is None


async def test_signing_off_everywhere_ends_every_session_of_the_shift_and_no_other(ward: Ward) -> None:
    """Both browsers of the nurse, not the doctor's."""
    sessions, _ = ward.gateway()
    seat, phone = await sit(sessions)
    _, desktop = await sit(sessions)
    _, doctor = await sit(sessions, replace(NURSE, subject="a.doctor"))
    ended = await sessions.end_shift(seat.shift, "signed-off")
    assert len(ended) == 2
    assert await sessions.seated(phone, MAIN) is None
    assert await sessions.seated(desktop, MAIN) is None
    assert await sessions.seated(doctor, MAIN) is not None
    again, _ = await sit(sessions)
    assert again.shift.id != seat.shift.id


# Sign-on


async def test_a_sign_on_gives_a_new_cookie_and_ends_the_browser_s_session_from_before(ward: Ward) -> None:
    """Whatever cookie was there before is worth nothing afterwards (OIDC-087, OIDC-088)."""
    sessions, _ = ward.gateway()
    before, old = await sit(sessions)
    there = (await sessions.host_token(before, PAS)).encode()
    after, new = await sit(sessions, replace(NURSE, subject="a.doctor"), previous=before)
    assert new != old
    assert after.session.id != before.session.id
    assert after.session.hosts == ()
    assert await sessions.seated(old, MAIN) is None
    assert await sessions.seated(there, PAS) is None
    assert await sessions.seated(new, MAIN) == after


JOINS = {
    "the same clinician": (NURSE, True),
    "a stronger proof": (replace(NURSE, assurance=3), True),
    "a weaker proof": (replace(NURSE, assurance=1), False),
    "another role": (replace(NURSE, role="R8000"), False),
    "another person": (replace(NURSE, subject="a.doctor"), False),
    "the same name at another provider": (replace(NURSE, issuer="https://other.example"), False),
}


@pytest.mark.parametrize("case", JOINS)
async def test_a_second_device_joins_the_shift_of_the_same_person_and_role(ward: Ward, case: str) -> None:
    """Equal issuer, subject and role, and a proof no weaker; else a shift of its own."""
    sessions, _ = ward.gateway()
    who, joins = JOINS[case]
    first, _ = await sit(sessions)
    ward.clock.at += 3600
    second, _, started = await sessions.sign_on(proof(who), Device(), MAIN, idle=IDLE, previous=None)
    assert (second.shift.id == first.shift.id) is joins
    assert started is not joins
    assert second.session.id != first.session.id
    assert second.shift.ends == (first.shift.ends if joins else ward.clock.at + LONGEST)


async def test_a_shift_that_is_over_is_not_joined(ward: Ward) -> None:
    """The first sign-on after twelve hours starts a new one."""
    sessions, _ = ward.gateway()
    first, _ = await sit(sessions)
    ward.clock.at += LONGEST
    second, _ = await sit(sessions)
    assert second.shift.id != first.shift.id


async def test_what_a_provider_confirmed_is_kept(ward: Ward) -> None:
    """Roles and the next refresh token survive a restart; the end does not move."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions, refresh="first")
    ward.clock.at += 100
    fewer = replace(NURSE, roles=frozenset())
    await sessions.confirmed(seat.shift, proof(fewer, refresh="second"))
    other, _ = ward.gateway()
    found = await other.seated(token, MAIN)
    assert found is not None
    assert (found.shift.principal, found.shift.refresh_token) == (fewer, "second")
    assert (found.shift.checked, found.shift.ends) == (T0 + 100, T0 + LONGEST)


# Log-out by the provider


async def sitting(sessions: Sessions, *tokens: bytes) -> list[bool]:
    return [await sessions.seated(token, MAIN) is not None for token in tokens]


async def log_out(sessions: Sessions, sid: str = "", subject: str = NURSE.subject) -> list[bool]:
    """What the gateway does with a notice; whether it was the whole shift, for each."""
    found = await sessions.meant(NURSE.issuer, sid=sid, subject=subject)
    for meant in found:
        if meant.whole:
            await sessions.end_shift(meant.shift, "provider-log-out")
        else:
            await sessions.tokens_gone(meant.shift, sid)
            for session in meant.sessions:
                await sessions.end_session(session, "provider-log-out")
    return [meant.whole for meant in found]


@pytest.mark.parametrize("first", ["phone", "desktop"])
async def test_a_log_out_ends_what_was_seated_by_that_session_and_the_shift_with_the_last(
    ward: Ward, first: str
) -> None:
    """Whichever of the two devices came later: the other one goes on until its own log-out (OIDC-102)."""
    sessions, _ = ward.gateway()
    seat, phone = await sit(sessions, sid="phone")
    _, desktop = await sit(sessions, sid="desktop")
    _, doctor = await sit(sessions, replace(NURSE, subject="a.doctor"), sid="other")
    assert await log_out(sessions, first) == [False]
    assert await sitting(sessions, phone, desktop, doctor) == [first != "phone", first != "desktop", True]
    assert await log_out(sessions, "desktop" if first == "phone" else "phone") == [True]
    assert await sitting(sessions, phone, desktop, doctor) == [False, False, True]
    shift = await ward.stores[0].shift(seat.shift.id)
    assert shift is not None
    assert shift.end_reason == "provider-log-out"


@pytest.mark.parametrize("over", ["idle", "ended"])
async def test_a_log_out_of_a_session_that_is_over_ends_the_shift_when_nobody_is_left_in_it(
    ward: Ward, over: str
) -> None:
    """Nobody is at another device, so the provider's word is the end of it."""
    sessions, _ = ward.gateway()
    seat, _ = await sit(sessions, sid="phone")
    await sit(sessions, sid="desktop")
    if over == "idle":
        ward.clock.at += IDLE + STAYS
    else:
        for session in await sessions.of_shift(seat.shift):
            await sessions.end_session(session, "signed-off")
    assert await log_out(sessions, "phone") == [True]
    assert await log_out(sessions, "phone") == []


async def test_a_log_out_leaves_a_session_that_was_switched_from(ward: Ward) -> None:
    """The provider ends it since somebody else signs on in that browser; its clinician comes back by a proof in any case."""
    sessions, _ = ward.gateway()
    desk, token = await sit(sessions, sid="desk")
    await sessions.lock(desk.session, "switched", desk="mark")
    assert await sessions.at_lock(token, MAIN) is None, "its cookies are worth nothing"
    (meant,) = await sessions.meant(NURSE.issuer, sid="desk", subject=NURSE.subject)
    assert (meant.whole, meant.sessions) == (False, [])


async def test_a_log_out_of_a_session_that_was_signed_off_here_leaves_the_other_device(ward: Ward) -> None:
    """The next person at the first desk makes the provider end what was signed off there already."""
    sessions, _ = ward.gateway()
    seat, _ = await sit(sessions, sid="phone")
    _, desktop = await sit(sessions, sid="desktop")
    await sessions.end_session(seat.session, "signed-off")
    assert await log_out(sessions, "phone") == [False]
    assert await sitting(sessions, desktop) == [True]


async def test_a_log_out_without_a_session_ends_everything_of_the_person(ward: Ward) -> None:
    """By `sub`, both roles, nobody else's."""
    sessions, _ = ward.gateway()
    _, nurse = await sit(sessions)
    _, manager = await sit(sessions, replace(NURSE, role="R8000"))
    _, doctor = await sit(sessions, replace(NURSE, subject="a.doctor"))
    assert await log_out(sessions) == [True, True]
    assert await sitting(sessions, nurse, manager, doctor) == [False, False, True]


async def test_a_log_out_of_an_unknown_session_ends_those_of_which_none_is_known(ward: Ward) -> None:
    """One that was seated by another `sid` is not meant; one of which the provider said none may be, nobody else's."""
    sessions, _ = ward.gateway()
    _, named = await sit(sessions, sid="desktop")
    _, unnamed = await sit(sessions, sid="")
    _, doctor = await sit(sessions, replace(NURSE, subject="a.doctor"), sid="")
    assert await log_out(sessions, "unheard of", subject="") == []
    assert await log_out(sessions, "unheard of") == [False]
    assert await sitting(sessions, named, unnamed, doctor) == [True, False, True]
    assert await log_out(sessions, "unheard of") == []


async def test_a_log_out_is_of_its_own_provider_and_person(ward: Ward) -> None:
    """Another issuer's same `sid`, and a `sid` of somebody else than the `sub`, end nothing."""
    sessions, _ = ward.gateway()
    _, token = await sit(sessions, sid="phone")
    assert await sessions.meant("https://other.example", sid="phone", subject=NURSE.subject) == []
    assert await log_out(sessions, "phone", subject="a.doctor") == []
    assert await sitting(sessions, token) == [True]


@pytest.mark.parametrize(("of", "kept"), [("desktop", ""), ("phone", "of the desktop")])
async def test_a_refresh_token_goes_with_its_own_session_of_the_provider(ward: Ward, of: str, kept: str) -> None:
    """The shift holds that of the latest sign-on: when that session is over it would be refused, and the shift ended for it."""
    sessions, _ = ward.gateway()
    await sit(sessions, sid="phone", refresh="of the phone")
    seat, _ = await sit(sessions, sid="desktop", refresh="of the desktop")
    await log_out(sessions, of)
    shift = await ward.stores[0].shift(seat.shift.id)
    assert shift is not None
    assert (shift.refresh_token, shift.ended) == (kept, None)


async def test_a_silent_answer_says_by_which_session_a_device_is_seated_now(ward: Ward) -> None:
    """The provider's session in that browser was replaced: the log-out of the new one counts, at any gateway."""
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions, sid="before")
    _, phone = await sit(sessions, sid="phone")
    await sessions.confirmed(seat.shift, proof(sid="after"), seat.session)
    other, _ = ward.gateway()
    assert await log_out(other, "before") == []
    assert await log_out(other, "after") == [False]
    assert await sitting(other, token, phone) == [False, True]


# Bounds


async def test_the_cache_is_bounded_and_what_fell_out_is_read_again(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More browsers than the cache holds are all still signed on, and a busy one never loses activity by it."""
    monkeypatch.setattr("gateway.seats._MOST", 3)
    sessions, _ = ward.gateway()
    seat, token = await sit(sessions)
    there = (await sessions.host_token(seat, PAS)).encode()
    tokens = [(await sit(sessions, replace(NURSE, subject=f"s{n}")))[1] for n in range(5)]
    ward.clock.at += 200
    sessions.touch(seat)
    ward.clock.at += 200
    assert await sessions.seated(token, MAIN) is not None
    assert await sessions.lapsed(there, PAS) is not None
    assert [await sessions.seated(t, MAIN) for t in tokens] == [None] * 5, "idle"
    assert len(sessions._seats) <= 3


async def test_what_is_over_is_not_remembered_for_ever(ward: Ward) -> None:
    """A gateway that runs for a year holds the shifts of today."""
    sessions, _ = ward.gateway()
    for n in range(5):
        await sit(sessions, replace(NURSE, subject=f"s{n}"))
    ward.clock.at += LONGEST
    await sessions.flush()
    assert (len(sessions._seats), len(sessions._sessions), len(sessions._shifts)) == (0, 0, 0)


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
async def test_a_device_that_is_revoked_elsewhere_ends_its_sessions_within_a_second(ward: Ward, busy: bool) -> None:
    """Its own, on every gateway, however active they are; a session on another device goes on."""
    here, _ = ward.gateway()
    there, _ = ward.gateway()
    await ward.stores[0].put_device(enrolled("device-1"))
    seats = {}
    for device in ("device-1", "device-2"):
        seat, token, _ = await there.sign_on(proof(), Device(device), MAIN, idle=IDLE, previous=None)
        seats[device] = seat, token.encode()
    seat, token = seats["device-1"]
    ended = await here.revoke_device("device-1")
    assert [(s.id, s.end_reason) for s in ended] == [(seat.session.id, "device-revoked")]
    if busy:
        there.touch(seat)
    ward.clock.at += 0.9
    assert await there.seated(token, MAIN) is None
    assert await there.seat_of(seat.session.id) is None
    await there.flush(all_of_it=True)
    assert await here.seated(token, MAIN) is None
    assert await there.seated(seats["device-2"][1], MAIN) is not None


async def test_a_device_that_is_revoked_here_ends_its_sessions_at_once(ward: Ward) -> None:
    """Without waiting for a look at the store."""
    here, _ = ward.gateway()
    await ward.stores[0].put_device(enrolled("device-1"))
    seat, token, _ = await here.sign_on(proof(), Device("device-1"), MAIN, idle=IDLE, previous=None)
    await here.revoke_device("device-1")
    assert await here.seated(token.encode(), MAIN) is None
    assert seat.session.end_reason == "device-revoked"


# Several gateways


async def listening(ward: Ward) -> tuple[Sessions, Counting]:
    """A gateway among several, which has been there for a while."""
    sessions, store = ward.gateway(shared=True)
    await sessions.hear()
    return sessions, store


async def test_what_others_write_of_others_leaves_what_is_known_here(ward: Ward) -> None:
    """A sign-on elsewhere, and a lock, cost the seats that they are about and no other: nobody else is read again."""
    sessions, store = await listening(ward)
    other, _ = await listening(ward)
    mine = [await sit(sessions, replace(NURSE, subject=f"s{n}")) for n in range(20)]
    seat, token = mine[0]
    found = await other.seated(token, MAIN)
    assert found is not None
    await other.lock(found.session, "clinician")
    await sit(other, replace(NURSE, subject="somebody else"))
    ward.clock.at += 1
    store.calls.clear()
    assert await sessions.seated(token, MAIN) is None
    assert all([await sessions.seated(token, MAIN) for _, token in mine[1:]])
    assert store.calls.count("by_token") == 1
    assert set(store.calls) == {"heard", "by_token"}
    assert seat.session.locked is None, "the object from before is nobody's any more"


async def test_a_shift_that_another_gateway_renewed_is_read_by_everybody_in_it(ward: Ward) -> None:
    """By each of its sessions here."""
    sessions, _ = await listening(ward)
    other, _ = await listening(ward)
    tokens = [(await sit(sessions))[1] for _ in range(2)]
    found = await other.seated(tokens[0], MAIN)
    assert found is not None
    await other.confirmed(found.shift, proof(replace(NURSE, name="N Okoye-Smith")))
    ward.clock.at += 1
    for token in tokens:
        seat = await sessions.seated(token, MAIN)
        assert seat is not None
        assert seat.shift.principal.name == "N Okoye-Smith"


async def test_what_another_gateway_did_a_moment_ago_is_known_to_whoever_listens(ward: Ward) -> None:
    """A lock, whose page is the next that is asked for, and an unlock: no time goes by."""
    sessions, _ = await listening(ward)
    other, _ = await listening(ward)
    _, token = await sit(sessions)
    at = await other.seated(token, MAIN)
    assert at is not None
    await other.lock(at.session, "clinician")
    assert await sessions.seated(token, MAIN) is not None, "believed for a while"
    await sessions.hear()
    assert await sessions.seated(token, MAIN) is None
    held = await sessions.at_lock(token, MAIN)
    assert held is not None
    assert await sessions.unlock(held.session, "pin", ward.clock.at, turn=held.session.turn)
    assert await other.seated(token, MAIN) is not None, "nobody is sent to a lock that is open"


async def test_whoever_waits_for_a_look_in_vain_does_not_look_once_more(ward: Ward) -> None:
    """Fifty requests while the store stands still: one finds that out, and the others are told with it."""
    sessions, store = await listening(ward)
    _, token = await sit(sessions)
    ward.clock.at += 1
    asked, stands_still = 0, asyncio.Event()

    async def heard(since: str | None) -> Heard:
        nonlocal asked
        asked += 1
        await stands_still.wait()
        raise StoreUnavailable("it stands still")

    vars(store)["heard"] = heard
    waiting = [asyncio.ensure_future(sessions.seated(token, MAIN)) for _ in range(25)]
    waiting += [asyncio.ensure_future(sessions.hear()) for _ in range(25)]  # type: ignore[arg-type]  # only its failing is looked at
    while not asked:
        await asyncio.sleep(0)
    stands_still.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in told} == {StoreUnavailable}
    assert asked == 1
    del vars(store)["heard"]
    assert await sessions.seated(token, MAIN) is not None, "whoever comes after them asks again"


async def test_who_is_busy_at_one_gateway_is_not_idle_at_another(ward: Ward) -> None:
    """Within a second of coming back it is written that they are there, and read before anybody is locked."""
    sessions, store = await listening(ward)
    other, _ = await listening(ward)
    _, token = await sit(sessions)
    there = await other.seated(token, MAIN)
    assert there is not None
    ward.clock.at += IDLE - 5
    other.touch(there)
    await other.flush()
    ward.clock.at += 6
    store.calls.clear()
    assert await sessions.idle_ones() == []
    assert await sessions.seated(token, MAIN) is not None
    assert "session" in store.calls
    ward.clock.at += IDLE
    assert [seat.session.id for seat in await sessions.idle_ones()] == [there.session.id]
    assert await sessions.seated(token, MAIN) is None
    assert await sessions.at_lock(token, MAIN) is not None


async def test_where_several_are_it_is_written_at_once_and_then_each_half_minute_who_was_seen(ward: Ward) -> None:
    """The first that somebody does after a pause, and the last: a burst in between costs one write each half minute."""
    sessions, store = await listening(ward)
    seat, _ = await sit(sessions)
    writes = []
    for second in range(65):
        ward.clock.at += 1
        if second < 40:
            sessions.touch(seat)
        store.calls.clear()
        await sessions.flush()
        if "touch" in store.calls:
            writes.append(second)
    assert writes == [0, 30, 60]
    kept = await ward.stores[0].session(seat.session.id)
    assert kept is not None
    assert kept.last_seen == seat.session.last_seen


async def test_a_full_cache_hears_of_one_without_a_look_at_all(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped is found by its key: as quick among many as among few, and forgetting one's cookies too."""
    sessions, _ = await listening(ward)
    other, _ = await listening(ward)
    seat, token = await sit(sessions)
    for n in range(20_000):
        sessions._known.remember(b"%d" % n, Seat(replace(seat.session, id=f"s{n}"), seat.shift, PAS))
    at = await other.seated(token, MAIN)
    assert at is not None

    def looked(*_: object) -> None:
        raise AssertionError("a look at everybody")

    monkeypatch.setattr("gateway.seats.KnownSeats.tidy", looked)
    monkeypatch.setattr("gateway.seats.KnownSeats.clear", looked)
    await other.end_session(at.session, "signed-off")
    ward.clock.at += 1
    begun = time.perf_counter()
    assert await sessions.seated(token, MAIN) is None
    assert time.perf_counter() - begun < 0.5
    assert len(sessions._seats) >= 20_000


async def test_a_page_and_a_revocation_from_elsewhere_end_what_was_read_in_between(ward: Ward) -> None:
    """End everything: sessions that another gateway seated a moment ago too."""
    sessions, _ = await listening(ward)
    other, _ = await listening(ward)
    seat, token = await sit(sessions)
    _, later = await sit(other)
    assert await other.seated(later, MAIN) is not None
    ended = await sessions.end_shift(seat.shift, "signed-off")
    assert len(ended) == 2
    await other.hear()
    assert [await other.seated(cookie, MAIN) for cookie in (token, later)] == [None, None]
