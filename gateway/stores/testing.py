"""The contract of every store of shifts, sessions, last sign-ons, codes, upstream sessions and the vault, as tests.

A subclass gives `open()` (a store on the same place as before, as another process would open it) and is collected by
pytest; nothing here imports it. Times are seconds since any epoch.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.badge import Badge, Holder
from sso.device import Certificate, Enrolment, PublicKey
from sso.errors import DeviceRefused
from sso.last_sign_on import LastSignOn
from sso.session import Session, token_hash
from sso.shift import Shift

from .base import Cookie, SealedCredential, Store

T0 = 1_800_000_000.0
MAIN, PAS = "records.example.nhs.uk", "pas.records.example.nhs.uk"
NURSE = Principal("https://login.example.nhs.uk", "n.okoye", "N Okoye", "R8001", frozenset({"nurse"}), assurance=2)


NOKOYE = LastSignOn(NURSE, T0, "NOkoye")


def shift(name: str = "shift-1", principal: Principal = NURSE, **changes: Any) -> Shift:
    """A twelve-hour shift that begins at T0."""
    fields = {"started": T0, "ends": T0 + 43200, "auth_time": T0, "checked": T0, "provider_session": "sid-1"}
    return Shift(name, principal, **{**fields, **changes})


def session(name: str = "session-1", shift_id: str = "shift-1", **changes: Any) -> Session:
    """A session on a phone of the ward, five minutes of idle time."""
    device = Device(
        "device-1", "Ward 7 PC 3", DeviceClass.PHONE, Ownership.SHARED, zone="ward", posture=Posture.ON_SITE
    )
    return Session(**{"id": name, "shift_id": shift_id, "created": T0, "last_seen": T0, "idle": 300.0, "stays": 60.0,
                      "device": device, **changes})  # fmt: skip


def enrolled(device_id: str = "device-1", **changes: Any) -> Enrolment:
    """A ward's PC with a key."""
    known: dict[str, Any] = {"name": "Ward 7 PC 3", "ward": "Ward 7", "ownership": Ownership.SHARED, "managed": True,
                             "created": T0, "key": PublicKey("x", "y")}  # fmt: skip
    return Enrolment(device_id, **{**known, **changes})


class StoreContract:
    """What every Store keeps."""

    store: Store

    async def open(self) -> Store:
        """Another store on the same place."""
        raise NotImplementedError

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

    async def test_parts_of_a_key_do_not_run_into_each_other(self) -> None:
        """Subject `a` in role `bc` is not subject `ab` in role `c` (HTTP-130)."""
        await self.store.put_shift(shift(principal=replace(NURSE, subject="a", role="bc")))
        assert await self.store.live_of(NURSE.issuer, "ab", "c", T0) is None
        await self.store.put_upstream(("a:b", "c"), b"jar", "session-1")
        assert await self.store.get_upstream(("a", "b:c")) is None

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
        assert (kept.locked, kept.lock_reason, kept.last_seen, kept.hosts) == (T0 + 10, "clinician", T0, (PAS,))
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
        """Of those of one session and host that lapse the two newest are known: a browser may not have taken the newest."""
        await self.store.seat(shift(), session(), MAIN, token_hash("main"))
        for turn in range(4):
            await self.store.add_token("session-1", PAS, token_hash(f"pas-{turn}"), T0 + turn)
        await self.store.add_token("session-1", "epr.example", token_hash("epr"), T0)
        other = await self.open()
        kept = [await other.by_token(token_hash(f"pas-{turn}")) for turn in range(4)]
        assert kept == [None, None, *(Cookie(session(), shift(), PAS, T0 + turn) for turn in (2, 3))]
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

    async def test_a_code_is_good_once_until_its_time_and_for_its_kind(self) -> None:
        """The second taker, a late one, and one of another kind get nothing."""
        await self.store.put_code("enter", "code", b"value", T0 + 30)
        other = await self.open()
        assert await other.take_code("ticket", "code", T0) is None
        assert await other.read_code("enter", "code", T0) == b"value"
        assert await other.take_code("enter", "code", T0 + 29) == b"value"
        assert await self.store.take_code("enter", "code", T0 + 29) is None
        await self.store.put_code("enter", "late", b"value", T0 + 30)
        assert await self.store.read_code("enter", "late", T0 + 30) is None
        assert await self.store.take_code("enter", "late", T0 + 30) is None

    async def test_a_token_id_is_new_once(self) -> None:
        """A log-out token's id is remembered until the token could not be used any more."""
        assert await self.store.first_time("logout-token", "jti", T0 + 60, T0)
        assert not await (await self.open()).first_time("logout-token", "jti", T0 + 60, T0 + 59)
        assert await self.store.first_time("logout-token", "jti", T0 + 120, T0 + 60)

    async def test_an_upstream_session_belongs_to_its_whole_key(self) -> None:
        """Kept, replaced and deleted by (session, system)."""
        await self.store.put_upstream(("session-1", "pas"), b"jar", "session-1")
        await self.store.put_upstream(("session-1", "pas"), b"jar 2", "session-1")
        assert await (await self.open()).get_upstream(("session-1", "pas")) == b"jar 2"
        assert await self.store.get_upstream(("session-2", "pas")) is None
        await self.store.delete_upstream(("session-1", "pas"))
        assert await self.store.get_upstream(("session-1", "pas")) is None

    async def test_a_factor_belongs_to_its_person_and_kind(self) -> None:
        """Kept, replaced, and nobody else's."""
        await self.store.put_factor(NURSE.issuer, NURSE.subject, "pin", b"hash")
        await self.store.put_factor(NURSE.issuer, NURSE.subject, "pin", b"hash 2")
        other = await self.open()
        assert await other.factor(NURSE.issuer, NURSE.subject, "pin") == b"hash 2"
        assert await other.factor(NURSE.issuer, NURSE.subject, "passkey") is None
        assert await other.factor("https://other.example", NURSE.subject, "pin") is None

    async def test_tries_are_counted_by_whoever_counts(self) -> None:
        """Until they are cleared, or the time of the first is over."""
        other = await self.open()
        assert await self.store.tally("pin", "n.okoye", T0, T0 + 60) == 1
        assert await other.tally("pin", "n.okoye", T0 + 30, T0 + 90) == 2
        assert await other.tally("pin", "dr.lee", T0 + 30, T0 + 90) == 1
        assert await self.store.tally("pin", "n.okoye", T0 + 60, T0 + 120) == 1
        await self.store.clear_tally("pin", "n.okoye")
        assert await other.tally("pin", "n.okoye", T0 + 61, T0 + 121) == 1

    async def test_the_version_moves_when_somebody_else_has_written_and_not_else(self) -> None:
        """What a cache relies on."""
        other = await self.open()
        before = await self.store.version()
        await other.by_token(token_hash("token"))
        assert await self.store.version() == before
        await other.put_shift(shift())
        assert await self.store.version() != before

    async def test_a_sweep_forgets_what_is_over_and_nothing_else(self) -> None:
        """Codes at their end; sessions, cookies and upstream sessions a day after theirs."""
        await self.store.seat(shift(), session(), MAIN, token_hash("old"))
        await self.store.seat(shift(), session("session-2", last_seen=T0 + 86400), MAIN, token_hash("new"))
        for owner in ("session-1", "session-2"):
            await self.store.put_upstream((owner, "pas"), b"jar", owner)
        await self.store.put_code("enter", "code", b"value", T0 + 90000)
        await self.store.sweep(T0 + 300 + 60 + 86400 - 1)
        assert await self.store.session("session-1") is not None
        await self.store.sweep(T0 + 300 + 60 + 86400)
        assert await self.store.session("session-1") is None
        assert await self.store.by_token(token_hash("old")) is None
        assert await self.store.get_upstream(("session-1", "pas")) is None
        assert await self.store.by_token(token_hash("new")) is not None
        assert await self.store.get_upstream(("session-2", "pas")) == b"jar"
        assert await self.store.read_code("enter", "code", T0 + 80000) == b"value"

    async def test_a_credential_is_kept_under_the_data_key_that_stands_there(self) -> None:
        """The first brings its data key; whoever sealed under another keeps nothing, and starts again."""
        first, second = SealedCredential("k1", "about", "value"), SealedCredential("k2", "about", "value")
        assert await self.store.put_credential("person", "wrapped", first)
        other = await self.open()
        assert not await other.put_credential("person", "another", second)
        assert await other.vault_key("person") == "wrapped"
        assert await other.credentials_of("person") == [first]
        assert await other.put_credential("person", "wrapped", SealedCredential("k1", "about 2", "value 2"))
        assert await self.store.credential("k1") == SealedCredential("k1", "about 2", "value 2")
        assert await self.store.credential("k2") is None
        assert await self.store.credentials_of("somebody else") == []

    async def test_words_about_a_credential_do_not_outlive_it(self) -> None:
        """What is noted of a value that was replaced meanwhile is lost, not written beside the new one."""
        await self.store.put_credential("person", "wrapped", SealedCredential("k1", "new", "value"))
        await self.store.note_credential(SealedCredential("k1", "used", "value"))
        assert await self.store.credential("k1") == SealedCredential("k1", "used", "value")
        await self.store.note_credential(SealedCredential("k1", "refused", "an older value"))
        assert await self.store.credential("k1") == SealedCredential("k1", "used", "value")

    async def test_a_data_key_goes_with_the_last_credential(self) -> None:
        """Nobody forgets for somebody else, and the key stays while anything is sealed under it."""
        for key in ("k1", "k2"):
            await self.store.put_credential("person", "wrapped", SealedCredential(key, "about", "value"))
        assert not await self.store.forget_credential("somebody else", "k1")
        assert await self.store.forget_credential("person", "k1")
        assert await self.store.vault_key("person") == "wrapped"
        assert await self.store.forget_credential("person", "k2")
        assert await self.store.vault_key("person") is None
        assert not await self.store.forget_credential("person", "k2")

    async def test_a_data_key_is_wrapped_again_once(self) -> None:
        """The second of two who rotate at the same time changes nothing."""
        await self.store.put_credential("person", "old", SealedCredential("k1", "about", "value"))
        assert await self.store.rewrap_vault_key("person", "old", "new")
        assert not await (await self.open()).rewrap_vault_key("person", "old", "newer")
        assert await self.store.vault_keys() == [("person", "new")]

    # Last federated sign-ons

    async def test_a_last_sign_on_is_there_for_whoever_opens_the_store_next(self) -> None:
        """Field by field; by person, by either name in its plain form, and by what their passkeys call them."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        other = await self.open()
        assert await other.last_sign_on(NURSE.issuer, NURSE.subject) == NOKOYE
        for name in ("n.okoye", "nokoye"):
            assert await other.last_sign_on_named(name) == NOKOYE
        assert await other.last_sign_on_by_handle(NOKOYE.handle) == NOKOYE
        assert await other.last_sign_on("https://other.example", NURSE.subject) is None
        assert await other.last_sign_on_named("N Okoye") is None
        assert await other.last_sign_on_by_handle(b"") is None

    async def test_the_latest_sign_on_takes_the_place_of_the_one_before(self) -> None:
        """With its names: one that is not theirs any more selects nobody."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        later = replace(NOKOYE, at=T0 + 5, login="okoye2")
        await self.store.put_last_sign_on(later, T0 + 99)
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("okoye2") == later

    async def test_a_name_that_two_have_selects_neither(self) -> None:
        """Until one of them is forgotten."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        other = LastSignOn(replace(NURSE, subject="nokoye", name="Another"), T0)
        await self.store.put_last_sign_on(other, T0 + 9)
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("n.okoye") == NOKOYE
        assert await (await self.open()).forget_last_sign_on(NURSE.issuer, NURSE.subject)
        assert not await self.store.forget_last_sign_on(NURSE.issuer, NURSE.subject)
        assert await self.store.last_sign_on_named("nokoye") == other
        assert await self.store.last_sign_on_named("n.okoye") is None

    async def test_a_last_sign_on_is_swept_when_its_time_is_over(self) -> None:
        """It and its names, and nobody else's."""
        await self.store.put_last_sign_on(NOKOYE, T0 + 9)
        stays = LastSignOn(replace(NURSE, subject="stays"), T0)
        await self.store.put_last_sign_on(stays, T0 + 10)
        await self.store.sweep(T0 + 9)
        assert await self.store.last_sign_on(NURSE.issuer, NURSE.subject) is None
        assert await self.store.last_sign_on_named("nokoye") is None
        assert await self.store.last_sign_on_named("stays") == stays

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

    # Devices

    async def test_an_enrolled_device_is_there_for_whoever_opens_the_store_next(self) -> None:
        """Field by field, by key and by certificate, newest first."""
        pc = enrolled(last_proved=T0 + 5)
        kiosk = enrolled("device-2", key=None, certificate=Certificate("CN=CA", "CN=kiosk"), created=T0 + 1,
                         replaces="device-0", device_class=DeviceClass.TABLET)  # fmt: skip
        phone = enrolled("device-3", owner=(NURSE.issuer, NURSE.subject), pending=True, ownership=Ownership.PERSONAL,
                         created=T0 + 2)  # fmt: skip
        for device in (pc, kiosk, phone):
            await self.store.put_device(device)
        other = await self.open()
        assert await other.devices() == [phone, kiosk, pc]
        assert await other.device("device-1") == pc
        assert await other.device("device-9") is None
        assert await other.devices_of(NURSE.issuer, NURSE.subject) == [phone]
        assert await other.devices_of("https://other.example", NURSE.subject) == []
        await other.revoke_device("device-3", T0 + 3)
        assert await other.devices_of(NURSE.issuer, NURSE.subject) == []

    async def test_a_certificate_finds_its_device_by_both_names(self) -> None:
        """The one in use before one that was revoked, and that before nothing."""
        certificate = Certificate("CN=CA", "CN=kiosk")
        await self.store.put_device(enrolled("old", key=None, certificate=certificate, revoked=T0 + 1))
        found = await self.store.device_by_certificate(certificate)
        assert found is not None
        assert found.id == "old"
        await self.store.put_device(enrolled("new", key=None, certificate=certificate))
        found = await self.store.device_by_certificate(certificate)
        assert found is not None
        assert found.id == "new"
        assert await self.store.device_by_certificate(Certificate("CN=CACN", "=kiosk")) is None
        assert await self.store.device_by_certificate(Certificate("CN=Other", "CN=kiosk")) is None

    async def test_a_revoked_device_ends_what_is_seated_on_it_and_nothing_else(self) -> None:
        """Its live sessions, in whatever shift, and the version moves for everybody else."""
        await self.store.put_device(enrolled())
        await self.store.put_device(enrolled("device-2"))
        elsewhere = Device("device-2", "Ward 7 PC 4")
        await self.store.seat(shift(), session(), MAIN, token_hash("one"))
        await self.store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("two"))
        await self.store.seat(shift(), session("session-3", device=elsewhere), MAIN, token_hash("three"))
        await self.store.put_session(session("session-2", "shift-2", ended=T0 + 1, end_reason="signed-off"))
        before = await self.store.version()
        other = await self.open()
        assert [s.id for s in await other.revoke_device("device-1", T0 + 9)] == ["session-1"]
        assert await other.revoke_device("device-1", T0 + 10) == []
        assert await other.revoke_device("device-9", T0 + 10) == []
        assert await self.store.version() != before
        ends = [(s.ended, s.end_reason) for name in "123" if (s := await self.store.session(f"session-{name}"))]
        assert ends == [(T0 + 9, "device-revoked"), (T0 + 1, "signed-off"), (None, "")]

    async def test_what_was_revoked_stays_revoked(self) -> None:
        """A write by somebody who has not heard of it does not take it back."""
        await self.store.put_device(enrolled())
        await (await self.open()).revoke_device("device-1", T0 + 9)
        await self.store.put_device(enrolled(last_proved=T0 + 10))
        found = await self.store.device("device-1")
        assert found is not None
        assert (found.revoked, found.last_proved) == (T0 + 9, None)

    async def test_what_is_known_of_a_device_is_changed_whole(self) -> None:
        """What somebody else has written in the meantime is in it; one that was revoked, and one that nobody knows, stay as they are."""
        await self.store.put_device(enrolled())
        other = await self.open()
        await other.amend_device("device-1", lambda e: replace(e, last_proved=T0 + 5))
        amended = await self.store.amend_device("device-1", lambda e: replace(e, name="Ward 9 PC 1", ward="Ward 9"))
        assert amended == enrolled(name="Ward 9 PC 1", ward="Ward 9", last_proved=T0 + 5)
        assert await other.device("device-1") == amended
        await other.revoke_device("device-1", T0 + 9)
        for device in ("device-1", "device-9"):
            assert await self.store.amend_device(device, lambda e: replace(e, revoked=None)) is None
        assert [(e.id, e.revoked) for e in await other.devices()] == [("device-1", T0 + 9)]

    async def test_those_who_sit_at_a_device_are_found(self) -> None:
        """The newest first; neither who has ended, nor who sits elsewhere."""
        elsewhere = Device("device-2", "Ward 7 PC 4")
        await self.store.seat(shift(), session(), MAIN, token_hash("one"))
        await self.store.seat(
            shift("shift-2"), session("session-2", "shift-2", created=T0 + 5), MAIN, token_hash("two")
        )
        await self.store.seat(shift(), session("session-3", device=elsewhere), MAIN, token_hash("three"))
        await self.store.seat(shift(), session("session-4"), MAIN, token_hash("four"))
        await self.store.put_session(session("session-4", ended=T0 + 1, end_reason="signed-off"))
        found = await (await self.open()).sessions_on("device-1")
        assert [s.id for s in found] == ["session-2", "session-1"]
        assert await self.store.sessions_on("device-9") == []

    async def test_nobody_is_seated_on_a_revoked_device(self) -> None:
        """Also when it was revoked after it had proved itself: nothing of the seat is written."""
        await self.store.put_device(enrolled(revoked=T0))
        refused = ""
        try:
            await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        except DeviceRefused as error:
            refused = error.reason
        assert refused == "device-revoked"
        assert await self.store.by_token(token_hash("token")) is None
        assert await self.store.session("session-1") is None

    async def test_a_badge_is_one_person_s(self) -> None:
        """Found by its keyed hash alone; whoever comes second is refused; forgotten by its holder only, and then free."""
        first, second = Holder(NURSE.issuer, NURSE.subject), Holder(NURSE.issuer, "dr.lee")
        badge = Badge("b1", first, T0, "clinician")
        assert await self.store.put_badge("hash-1", badge)
        other = await self.open()
        assert not await other.put_badge("hash-1", Badge("b2", second, T0 + 1, "clinician"))
        assert await other.put_badge("hash-2", Badge("b3", first, T0 - 1, "import"))
        assert await other.badge("hash-1") == badge
        assert await other.badge("b1") is None
        assert [one.id for one in await other.badges_of(first)] == ["b3", "b1"]
        assert not await other.forget_badge(second, "b1")
        assert await other.forget_badge(first, "b1")
        assert not await other.forget_badge(first, "b1")
        assert await self.store.put_badge("hash-1", Badge("b2", second, T0 + 1, "clinician"))

    async def test_a_count_can_be_taken_back(self) -> None:
        """One, and not below nothing."""
        for _ in range(3):
            await self.store.tally("pin-device", "pc", T0, T0 + 60)
        await self.store.take_back("pin-device", "pc")
        await self.store.take_back("pin-device", "other")
        assert await self.store.tally("pin-device", "pc", T0, T0 + 60) == 3
