"""Shifts, the sessions in them, and their cookies."""

from __future__ import annotations

from math import inf
from typing import Any

from sso.session import token_hash

from ..base import Cookie
from .samples import MAIN, NURSE, PAS, T0, Opened, session, shift


class SeatContract(Opened):
    """What a ShiftStore and a SessionStore keep, and what a seat is of."""

    async def test_what_was_seated_is_there_for_whoever_opens_the_store_next(self) -> None:
        """A shift, its session and the cookie survive a restart, field by field."""
        kept_shift, kept = shift(amr=("pwd", "otp"), provider_away=True), session(hosts=(PAS,))
        await self.store.seat(kept_shift, kept, MAIN, token_hash("token"))
        other = await self.open()
        assert await other.by_token(token_hash("token")) == Cookie(kept, kept_shift, MAIN, inf)
        assert await other.shift("shift-1") == kept_shift
        assert await other.session("session-1") == kept
        assert await other.of_shift("shift-1") == [kept]

    async def test_a_cookie_that_nobody_was_given_finds_nothing(self) -> None:
        """Neither an unknown hash nor the token itself is a key."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        assert await self.store.by_token(token_hash("other")) is None
        assert await self.store.by_token("token") is None

    async def test_a_live_shift_is_found_by_person_and_role_only(self) -> None:
        """Another issuer's same subject, another role, an ended and an over shift are not joined."""
        await self.store.put_shift(shift())
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 1) == shift()
        assert await self.store.live_of("https://other.example", NURSE.subject, NURSE.role, T0 + 1) is None
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, "R8000", T0 + 1) is None
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 43200) is None
        await self.store.put_shift(shift(ended=T0 + 5))
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 6) is None

    async def test_shifts_are_found_by_the_provider_s_session_and_by_person(self) -> None:
        """For back-channel log-out; ended ones are left out."""
        await self.store.put_shift(shift())
        await self.store.put_shift(shift("shift-2", provider_session="sid-2"))
        await self.store.put_shift(shift("shift-3", provider_session="sid-1", ended=T0 + 1))
        assert [s.id for s in await self.store.by_provider_session(NURSE.issuer, "sid-1")] == ["shift-1"]
        assert {s.id for s in await self.store.by_subject(NURSE.issuer, NURSE.subject)} == {"shift-1", "shift-2"}
        assert await self.store.by_provider_session("https://other.example", "sid-1") == []

    async def test_a_shift_is_found_by_every_session_of_the_provider_that_seated_somebody_in_it(self) -> None:
        """Also after its session here has ended; not by another issuer's, and not when the shift has ended."""
        await self.store.seat(shift(), session(provider_session="sid-a"), MAIN, token_hash("token"))
        await self.store.put_session(session(provider_session="sid-a", ended=T0 + 5))
        other = await self.open()
        assert [s.id for s in await other.by_provider_session(NURSE.issuer, "sid-a")] == ["shift-1"]
        assert [s.provider_session for s in await other.of_shift("shift-1")] == ["sid-a"]
        assert await other.by_provider_session("https://other.example", "sid-a") == []
        await other.put_shift(shift(ended=T0 + 6))
        assert await other.by_provider_session(NURSE.issuer, "sid-a") == []

    async def test_what_has_ended_stays_ended(self) -> None:
        """A write by somebody who has not heard of the end does not take it back."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        other = await self.open()
        await other.put_session(session(ended=T0 + 5, end_reason="signed-off"))
        await other.put_shift(shift(ended=T0 + 5, end_reason="signed-off"))
        await self.store.touch([session(last_seen=T0 + 9)])
        await self.store.put_session(session(hosts=(PAS,)))
        await self.store.put_shift(shift(provider_away=True))
        kept, kept_shift = await self.store.session("session-1"), await self.store.shift("shift-1")
        assert kept is not None
        assert kept_shift is not None
        assert (kept.ended, kept.end_reason) == (T0 + 5, "signed-off")
        assert (kept_shift.ended, kept_shift.end_reason) == (T0 + 5, "signed-off")

    async def test_a_shift_s_tokens_go_with_its_end(self) -> None:
        """Whoever ends it has them in hand; a store keeps none of one that is over."""
        tokens: dict[str, Any] = {"id_token": "head.claims.signature", "refresh_token": "refresh-me"}
        await self.store.seat(shift(**tokens), session(), MAIN, token_hash("token"))
        assert await self.store.shift("shift-1") == shift(**tokens)
        await self.store.put_shift(shift(**tokens, ended=T0 + 5, end_reason="signed-off"))
        assert await (await self.open()).shift("shift-1") == shift(ended=T0 + 5, end_reason="signed-off")

    async def test_who_writes_without_the_id_token_leaves_the_one_that_is_kept(self) -> None:
        """It is most of a shift, and nobody holds it longer than for a sign-on; a later one takes its place."""
        first, second = "first", "second"
        await self.store.put_shift(shift(id_token=first))
        await self.store.put_shift(shift(provider_away=True))
        kept = await (await self.open()).shift("shift-1")
        assert kept == shift(id_token=first, provider_away=True)
        await self.store.put_shift(shift(id_token=second, renewed=1))
        await self.store.put_shift(shift(renewed=1, put_off=60.0))
        kept = await self.store.shift("shift-1")
        assert kept is not None
        assert (kept.id_token, kept.put_off) == (second, 60.0)

    async def test_what_was_last_seen_is_written(self) -> None:
        """Idle time goes on from there after a restart."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        await self.store.touch([session(last_seen=T0 + 120)])
        kept = await (await self.open()).session("session-1")
        assert kept is not None
        assert kept.last_seen == T0 + 120

    async def test_a_lock_holds_against_whoever_has_not_heard_of_it(self) -> None:
        """Neither activity nor another change by an older copy opens it; whoever unlocks it does, for older copies too."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        locked = session()
        locked.lock(T0 + 10, "clinician")
        await self.store.put_session(locked)
        await self.store.touch([session(last_seen=T0 + 20)])
        await self.store.put_session(session(hosts=(PAS,)))
        kept = await (await self.open()).session("session-1")
        assert kept is not None
        assert (kept.locked, kept.lock_reason, kept.last_seen, kept.hosts) == (T0 + 10, "clinician", T0 + 20, (PAS,))
        kept.unlock(T0 + 30, "pin", T0 + 30)
        await self.store.put_session(kept)
        await self.store.put_session(locked)
        kept = await self.store.session("session-1")
        assert kept is not None
        assert (kept.locked, kept.proof, kept.proved) == (None, "pin", T0 + 30)

    async def test_two_who_turn_a_lock_at_once_leave_it_locked(self) -> None:
        """One unlocks and the other locks, each without having heard of the other: whichever is written last."""
        for first, last in ((0, 1), (1, 0)):
            name = f"session-{first}"
            unlocked, locked = session(name, turn=2), session(name, turn=2, locked=T0 + 5, lock_reason="follow-me")
            pair = (unlocked, locked)
            await self.store.put_session(pair[first])
            await self.store.put_session(pair[last])
            kept = await self.store.session(name)
            assert kept is not None
            assert kept.locked == T0 + 5

    async def test_cookies_that_are_forgotten_open_nothing(self) -> None:
        """Every one of that session, and of no other."""
        await self.store.seat(shift(), session(), MAIN, token_hash("main"))
        await self.store.add_token("session-1", PAS, token_hash("pas"))
        await self.store.seat(shift(), session("session-2"), MAIN, token_hash("other"))
        await self.store.forget_tokens("session-1")
        assert await self.store.by_token(token_hash("main")) is None
        assert await self.store.by_token(token_hash("pas")) is None
        assert await self.store.by_token(token_hash("other")) is not None

    async def test_a_cookie_says_until_when_and_its_successors_take_its_place(self) -> None:
        """Of those of one session and host that lapse the newest few are known: a browser may not have taken them."""
        await self.store.seat(shift(), session(), MAIN, token_hash("main"))
        for turn in range(7):
            await self.store.add_token("session-1", PAS, token_hash(f"pas-{turn}"), T0 + turn)
        await self.store.add_token("session-1", "epr.example", token_hash("epr"), T0)
        other = await self.open()
        kept = [await other.by_token(token_hash(f"pas-{turn}")) for turn in range(7)]
        assert kept == [None, None, *(Cookie(session(), shift(), PAS, T0 + turn) for turn in range(2, 7))]
        for name, until in (("main", inf), ("epr", T0)):
            found = await other.by_token(token_hash(name))
            assert found is not None
            assert found.until == until

    async def test_renewed_cookies_leave_none_from_before(self) -> None:
        """At its own host there is the new one only; those at other hosts lapse and are known, and another session's stay."""
        await self.store.seat(shift(), session(), MAIN, token_hash("main"))
        await self.store.add_token("session-1", PAS, token_hash("pas"), T0 + 300)
        await self.store.add_token("session-1", PAS, token_hash("older"), T0 + 5)
        await self.store.seat(shift(), session("session-2"), MAIN, token_hash("other"))
        await self.store.renew_tokens("session-1", MAIN, token_hash("renewed"), T0 + 10)
        other = await self.open()
        assert await other.by_token(token_hash("main")) is None
        for name, until in (("renewed", inf), ("pas", T0 + 10), ("older", T0 + 5), ("other", inf)):
            found = await other.by_token(token_hash(name))
            assert found is not None
            assert found.until == until

    async def test_a_step_up_holds_against_whoever_has_not_heard_of_it(self) -> None:
        """Another change by an older copy leaves it; a lock that was written at the same time ends it."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        raised, locked = session(), session()
        raised.step_up(T0 + 10, T0 + 10, 3, T0 + 900)
        await self.store.put_session(raised)
        await self.store.put_session(session(hosts=(PAS,)))
        kept = await (await self.open()).session("session-1")
        assert kept is not None
        assert (kept.assurance(T0 + 20), kept.hosts) == (3, (PAS,))
        locked.lock(T0 + 10, "clinician")
        for last in (locked, raised):
            await self.store.put_session(last)
            kept = await self.store.session("session-1")
            assert kept is not None
            assert (kept.locked, kept.assurance(T0 + 20)) == (T0 + 10, 0)

    async def test_a_federated_sign_on_finds_no_emergency_shift_to_join(self) -> None:
        """It is found as its clinician's, to be ended, and by its id."""
        offline = shift(emergency="provider-away", provider_session="")
        await self.store.put_shift(offline)
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 1) is None
        assert await self.store.by_subject(NURSE.issuer, NURSE.subject) == [offline]
        await self.store.put_shift(shift("shift-2"))
        found = await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 1)
        assert found is not None
        assert found.id == "shift-2"

    async def test_a_sweep_forgets_what_is_over_and_nothing_else(self) -> None:
        """Codes at their end; sessions, cookies and upstream sessions a day after theirs."""
        await self.store.seat(shift(), session(), MAIN, token_hash("old"))
        await self.store.seat(shift(), session("session-2", last_seen=T0 + 86400), MAIN, token_hash("new"))
        for owner in ("session-1", "session-2"):
            await self.store.put_upstream((owner, "pas"), b"jar", owner)
        await self.store.put_code("enter", "code", b"value", T0 + 90000)
        await self.come_to(T0 + 300 + 60 + 86400 - 1)
        assert await self.store.session("session-1") is not None
        await self.come_to(T0 + 300 + 60 + 86400)
        assert await self.store.session("session-1") is None
        assert await self.store.by_token(token_hash("old")) is None
        assert await self.store.get_upstream(("session-1", "pas")) is None
        assert await self.store.by_token(token_hash("new")) is not None
        assert await self.store.get_upstream(("session-2", "pas")) is not None
        assert await self.store.read_code("enter", "code", T0 + 80000) == b"value"

    async def test_a_renewal_holds_against_whoever_has_not_heard_of_it(self) -> None:
        """Of its claims and tokens the later are kept, whoever writes last; everything else of an older copy counts."""
        first, second = "first", "second"
        await self.store.put_shift(shift(refresh_token=first))
        other = await self.open()
        await other.put_shift(shift(refresh_token=second, checked=T0 + 60, renewed=1))
        await self.store.put_shift(shift(refresh_token=first, provider_away=True, ends=T0 + 50000))
        kept = await other.shift("shift-1")
        assert kept == shift(refresh_token=second, checked=T0 + 60, renewed=1, ends=T0 + 50000)

    async def test_an_end_that_was_put_off_is_not_taken_back(self) -> None:
        """Neither the end nor how long it waited goes back, and the later end is found."""
        await self.store.put_shift(shift(ends=T0 + 50000, put_off=120.0))
        await (await self.open()).put_shift(shift())
        kept = await self.store.shift("shift-1")
        assert kept is not None
        assert (kept.ends, kept.put_off) == (T0 + 50000, 120.0)
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 45000) == kept

    async def test_what_two_gateways_know_of_a_session_comes_together(self) -> None:
        """Hosts that were entered at either are known, once each; when it was last seen does not go back."""
        await self.store.put_session(session(hosts=(PAS,), last_seen=T0 + 90))
        await (await self.open()).put_session(session(hosts=("epr.example", PAS)))
        kept = await self.store.session("session-1")
        assert kept is not None
        assert (kept.hosts, kept.last_seen) == ((PAS, "epr.example"), T0 + 90)

    async def test_many_that_were_seen_are_written_all(self) -> None:
        """More than one transaction's worth, with one that has ended and one that nobody knows among them."""
        for n in range(230):
            await self.store.put_session(session(f"session-{n}", ended=T0 + 1 if n == 7 else None))
        await self.store.touch([session(f"session-{n}", last_seen=T0 + n + 1) for n in range(231)])
        kept = [await self.store.session(f"session-{n}") for n in range(230)]
        assert [one.last_seen for one in kept if one] == [T0 if n == 7 else T0 + n + 1 for n in range(230)]
        assert await self.store.session("session-230") is None
