"""Emergency sign-on at the gateway: who is let in while the provider is away, who never is, and what stays of it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher

from gateway.crew.together import Sums
from gateway.stores.sqlite import SqliteStore
from policies.model import Ownership
from sso.device import Invitation
from sso.passkey import Passkey, Place, handle, made, written
from sso.seal import Seal
from sso.testing import BrowserKey, Reply
from tests.sso.test_passkey import CHALLENGE, SecurityKey, encoded

from .front import MAIN, NAVIGATION, PAS, Front, Tab, front

PIN, WRONG = "284917", "284918"
METADATA = "/.well-known/openid-configuration"
DAY = 86_400.0
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about who is let in: what a guess costs is tests/sso/test_unlock.py's."""
    monkeypatch.setattr("sso.unlock._HASHER", CHEAP)
    monkeypatch.setattr("sso.unlock.NOBODY_S", CHEAP.hash("no digits at all").encode())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    """Provider roles give names that policies use; the ward's sister is a senior."""
    roles = {"nurse": "nurse", "doctor": "doctor", "sister": "senior"}
    async with front(tmp_path, sso={"roles": roles}) as opened:
        opened.provider.claims = {"amr": ["pwd", "mfa"], "preferred_username": "nokoye"}
        yield opened


@pytest.fixture
async def store(house: Front) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(house.folder / "data" / "sessions.db", Seal.of((house.folder / "seal.key").read_bytes()))
    yield opened
    await opened.close()


WARD_PC = Invitation("Ward 7 PC 3", "Ward 7", Ownership.SHARED, managed=True)


class Desk:
    """A browser on an enrolled device."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.house = tab.front

    async def sign_on(self, **claims: Any) -> httpx2.Response:
        """At the provider."""
        usual = {"amr": ["pwd", "mfa"], "preferred_username": "nokoye"}
        self.house.provider.claims = {**usual, **claims}
        return await self.tab.sign_on()

    async def emergency(self, who: str, pin: str = PIN, **more: str) -> httpx2.Response:
        form = {"who": who, "pin": pin, **await self.tab.proof("emergency"), **more}
        return await self.tab.post(f"{MAIN}/emergency", form)

    async def set_pin(self, pin: str) -> None:
        answer = await self.tab.post(f"{MAIN}/shift/pin", {"pin": pin, "again": pin, **await self.tab.proof("unlock")})
        assert answer.headers["location"] == "/shift"

    async def unlock(self, pin: str) -> httpx2.Response:
        return await self.tab.post(f"{MAIN}/unlock", {"pin": pin, **await self.tab.proof("unlock")})


async def desk(house: Front, *, like: Desk | None = None) -> Desk:
    """A new browser; `like`: on that desk's device."""
    tab = house.tab()
    if like is None:
        await tab.enrol(WARD_PC)
    else:
        tab.device, tab.key = like.tab.device, like.tab.key
    return Desk(tab)


async def known(house: Front, pin: str = PIN, *, badge: str = "", **claims: Any) -> Desk:
    """Where a clinician has signed on at the provider, set a PIN, registered a badge where there is one, and signed off."""
    at = await desk(house)
    await at.sign_on(**claims)
    await at.set_pin(pin)
    if badge:
        await at.tab.post(f"{MAIN}/shift/badge", {"badge": badge})
    await at.tab.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    return await desk(house, like=at)


def away(house: Front) -> None:
    """The provider does not answer any more, and what was known of it is old."""
    house.provider.replies[METADATA] = Reply(503)
    house.clock.step += 11


async def back(house: Front) -> None:
    """It answers again, and the gateway has noticed."""
    del house.provider.replies[METADATA]
    house.clock.step += 31
    await house.running.gateway._app._sign_on._presence.watch()  # type: ignore[attr-defined]  # inside, for the test


async def home(tab: Tab) -> httpx2.Response:
    return await tab.get(f"{MAIN}/")


async def failed(house: Front) -> list[str]:
    return [event["reason"] for event in await house.events("login.failed")]


# While the provider is away


async def test_while_the_provider_is_away_a_pin_signs_on_for_two_hours(house: Front) -> None:
    """Whoever is known; with role and name of the last sign-on; written down, counted and said to be what it is."""
    at = await known(house)
    away(house)
    answer = await at.emergency("n.okoye", next="/shift")
    assert (answer.status_code, answer.headers["location"]) == (303, "/shift")
    page = await home(at.tab)
    assert "N Okoye" in page.text
    assert "You signed on in an emergency" in page.text
    (event,) = await house.events("emergency.started")
    assert (event["subject"], event["why"], event["method"]) == ("n.okoye", "provider-away", "pin")
    assert (event["device_name"], event["assurance"]) == ("Ward 7 PC 3", "offline")
    assert event["ends"] - house.clock() == pytest.approx(7200, abs=5)
    assert (await house.events("session.seated"))[-1]["shift"] == event["shift"]
    figures = Sums()
    figures.add(house.running.readings.figures())
    assert b'lanyard_emergency_sign_ons_total{why="provider-away"} 1.0' in figures.text()
    assert b'lanyard_alarm{control="identity-provider"} 1.0' in figures.text()
    assert [e["state"] for e in await house.events("control.failure")] == ["failing"]
    house.clock.step += 7201
    assert (await home(at.tab)).headers["location"].startswith("/sign-on")


async def test_every_event_of_it_shows_it(house: Front) -> None:
    """Looks, locks, refusals and its end: `assurance` is `offline` wherever the shift is named, and in no other shift's."""
    at = await known(house)
    away(house)
    await at.emergency("n.okoye")
    (started,) = await house.events("emergency.started")
    await at.tab.follow(f"{PAS}/patient?nhs=9990001112")
    await at.tab.post(f"{MAIN}/lock")
    await at.unlock(WRONG)
    await at.unlock(PIN)
    await at.tab.post(f"{MAIN}/sign-off")
    events = [event for event in await house.events() if event.get("shift")]
    own = {event["type"] for event in events if event["shift"] == started["shift"]}
    assert own >= {"emergency.started", "session.seated", "access.intent", "session.locked", "session.unlocked",
                   "login.failed", "shift.ended", "logout.ok"}  # fmt: skip
    for event in events:
        assert (event.get("assurance") == "offline") == (event["shift"] == started["shift"]), event["type"]


async def test_either_name_selects_whatever_its_case(house: Front) -> None:
    """The subject, and the name that local systems know; the claims say which that is."""
    at = await known(house)
    away(house)
    for who in ("N.Okoye", " nokoye "):
        other = await desk(house, like=at)
        assert (await other.emergency(who)).status_code == 303
    assert {e["subject"] for e in await house.events("emergency.started")} == {"n.okoye"}


async def test_a_name_that_two_clinicians_have_means_neither(house: Front) -> None:
    """Whoever is called as somebody else's login name is not signed on as them, nor they as the other."""
    await known(house)
    at = await known(house, sub="other", name="Other", preferred_username="n.okoye")
    away(house)
    assert (await at.emergency("n.okoye")).status_code == 403
    assert await house.events("emergency.started") == []


async def test_a_wrong_pin_and_an_unknown_name_are_told_alike(house: Front) -> None:
    """The same page; the journal names whom it knows, and repeats nothing that was typed."""
    at = await known(house)
    away(house)
    wrong, unknown = await at.emergency("n.okoye", WRONG), await at.emergency("284917", PIN)
    assert (wrong.status_code, wrong.text) == (unknown.status_code, unknown.text)
    assert wrong.status_code == 403
    first, second = await house.events("login.failed")
    assert first["reason"] == second["reason"] == "emergency-wrong"
    assert (first["subject"], "subject" in second) == ("n.okoye", False)
    assert PIN not in str(second)
    assert (await home(at.tab)).status_code == 303


async def test_an_unknown_name_costs_as_much_as_a_known_one(house: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow part is done for nobody as for somebody: one hash each."""
    at = await known(house)
    away(house)
    hashed: list[bool] = []
    monkeypatch.setattr("sso.unlock.fits", lambda kept, pin: bool(hashed.append(kept is not None)))
    await at.emergency("n.okoye")
    await at.emergency("nobody.such")
    assert hashed == [True, False]


async def test_while_the_provider_is_there_no_pin_is_looked_at(house: Front) -> None:
    """The right one and a wrong one get the same answer: nobody learns at a quiet hour what opens during the next failure."""
    at = await known(house)
    right, wrong = await at.emergency("n.okoye"), await at.emergency("n.okoye", WRONG)
    assert (right.status_code, right.text) == (wrong.status_code, wrong.text)
    assert "The sign-on service answers" in right.text
    assert await house.events("emergency.started", "login.failed") == []


async def test_somebody_s_failed_sign_on_does_not_make_the_provider_seem_away(house: Front) -> None:
    """Whoever makes their own code be refused with a 5xx or a 429 opens nothing: what counts is what the gateway asks."""
    at = await known(house)
    house.clock.step += 11
    house.provider.replies["/token"] = Reply(429)
    failing, _ = await house.tab().follow(f"{MAIN}/sign-on/start")
    assert failing.status_code == 503
    assert "The sign-on service answers" in (await at.emergency("n.okoye")).text
    assert await house.events("emergency.started") == []


async def test_one_lost_answer_opens_nothing(house: Front) -> None:
    """It is asked twice before it counts as away."""
    at = await known(house)
    away(house)
    asked = house.provider.count(METADATA)
    await at.emergency("n.okoye")
    assert house.provider.count(METADATA) - asked == 2


async def test_an_older_sign_on_needs_somebody_s_word(house: Front) -> None:
    """Seven days; on the eighth the right PIN is told what would help."""
    at = await known(house)
    away(house)
    house.clock.step += 7 * DAY
    answer = await at.emergency("n.okoye")
    assert (answer.status_code, "signed on too long ago" in answer.text) == (403, True)
    assert await failed(house) == ["emergency-long-ago"]
    assert await house.events("emergency.started") == []


async def test_whoever_was_never_here_is_not_made_up(house: Front) -> None:
    """Also with a PIN of somebody else's, whatever is typed."""
    at = await known(house)
    away(house)
    for who in ("dr.who", "", "N Okoye", "\x00", "n" * 300):
        assert (await at.emergency(who)).status_code == 403
    assert await house.events("emergency.started") == []


async def test_an_unproved_device_signs_nobody_on(house: Front) -> None:
    """Without a proof, with one for signing on, with one that was used: not a word about name or PIN."""
    at = await known(house)
    away(house)
    used = await at.tab.proof("emergency")
    await at.tab.post(f"{MAIN}/emergency", {"who": "n.okoye", "pin": WRONG, **used})
    for fields in ({}, await at.tab.proof("sign-on"), used):
        answer = await at.tab.post(f"{MAIN}/emergency", {"who": "n.okoye", "pin": PIN, **fields})
        assert (answer.status_code, "Use one of the hospital’s own devices" in answer.text) == (403, True)
    assert await house.events("emergency.started") == []
    rejected = {e["reason"] for e in await house.events("request.rejected")}
    assert rejected <= {"device-unknown", "device-purpose", "device-replayed"}


async def test_somebody_else_s_own_device_is_no_device_of_the_hospital(tmp_path: Path) -> None:
    """A phone that is its owner's lets in its owner; a colleague with the right PIN is told as if it were wrong."""
    async with front(tmp_path, devices={"approve_personal": False}) as house:
        await known(house)
        owner, key = house.tab(), BrowserKey()
        house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}
        await owner.sign_on()
        phone = (await owner.sent("/device/own", {"key": key.jwk()})).json()["device"]
        away(house)
        other = house.tab()
        other.device, other.key = phone, key
        answer = await Desk(other).emergency("n.okoye")
        assert (answer.status_code, await failed(house)) == (403, ["emergency-wrong"])


async def test_tries_are_counted_before_they_are_looked_at(house: Front) -> None:
    """Twenty at once are fifteen: then not even the right PIN opens, there or at a lock, for an hour."""
    at = await known(house)
    away(house)
    await asyncio.gather(*(at.emergency("n.okoye", WRONG) for _ in range(20)))
    reasons = await failed(house)
    assert (reasons.count("emergency-wrong"), reasons.count("emergency-limited")) == (15, 5)
    assert "Too many tries" in (await at.emergency("n.okoye")).text
    house.clock.step += 3601
    assert (await at.emergency("n.okoye")).status_code == 303


async def test_one_device_tries_thirty_times_an_hour_whomever(house: Front) -> None:
    """A common PIN for every name of the ward: thirty names, right ones or not, and no more from there."""
    at = await known(house)
    away(house)
    for number in range(30):
        await at.emergency(f"nurse-{number}", WRONG)
    assert "Too many tries" in (await at.emergency("n.okoye")).text
    elsewhere = await desk(house)
    assert (await elsewhere.emergency("n.okoye")).status_code == 303


# What such a shift is not


async def test_it_is_not_made_longer_and_gives_nothing_on(house: Front) -> None:
    """No proof moves its end; no PIN is set, no device made one's own, none brought in from it."""
    at = await known(house)
    away(house)
    await at.emergency("n.okoye")
    await at.tab.post(f"{MAIN}/lock")
    house.clock.step += 3600
    await at.unlock(PIN)
    page = await at.tab.get(f"{MAIN}/shift")
    assert "lasts until" not in page.text
    assert await house.events("shift.renewed") == []
    assert "First show that it is you" in (await at.tab.get(f"{MAIN}/shift/pin")).text
    assert (await at.tab.get(f"{MAIN}/handoff/give")).status_code == 403
    assert (await at.tab.sent("/device/own", {"key": BrowserKey().jwk()})).status_code == 403
    house.clock.step += 3601
    assert (await home(at.tab)).status_code == 303


async def test_it_survives_the_recheck_and_any_grace(tmp_path: Path) -> None:
    """There is no refresh token to be refused; the provider is not asked about it, and `shift.grace` does not end it."""
    async with front(tmp_path, shift={"grace": "1m"}) as house:
        at = await known(house)
        away(house)
        await at.emergency("n.okoye")
        for _ in range(5):
            house.clock.step += 290
            assert (await home(at.tab)).status_code == 200
            _, way = await at.tab.follow(f"{PAS}/patient?nhs=9990001112")
            assert way[-1].startswith(f"{MAIN}/vault/pas"), (
                "the system is entered: it asks for a log-on that nobody has given"
            )
        assert house.provider.count("/token") == 1
        assert [e["reason"] for e in await house.events("shift.ended")] == ["signed-off"]


async def test_a_log_out_of_its_clinician_at_the_provider_ends_it(house: Front) -> None:
    """Somebody there knows better than a PIN."""
    at = await known(house)
    away(house)
    await at.emergency("n.okoye")
    await back(house)
    token = house.provider.logout_token(sid=None)
    form = {"content-type": "application/x-www-form-urlencoded"}
    await house.tab().ask("POST", f"{MAIN}/backchannel-logout", form, f"logout_token={token}".encode())
    assert (await home(at.tab)).headers["location"] == "/sign-on"


async def test_a_role_that_has_changed_is_not_taken_from_the_record(house: Front) -> None:
    """The provider says so at a re-check: until the next sign-on there, there is nothing to sign on by."""
    at = await known(house)
    await at.sign_on()
    house.provider.claims = {"roles": ["doctor"]}
    house.clock.step += 290
    await home(at.tab)
    house.clock.step += 20
    await home(at.tab)
    assert (await house.awaited("shift.ended"))[-1]["subject"] == "n.okoye"
    for _ in range(100):
        if (await house.events("shift.ended"))[-1]["reason"] == "role-changed":
            break
        await asyncio.sleep(0.01)
    away(house)
    other = await desk(house, like=at)
    assert (await other.emergency("n.okoye")).status_code == 403
    assert await house.events("emergency.started") == []


async def test_when_the_provider_is_back_one_is_asked_and_may_go_on(house: Front) -> None:
    """At the next page, then every five minutes; signing on begins a shift of its own, and the provider asks who is there."""
    at = await known(house)
    away(house)
    await at.emergency("n.okoye")
    await back(house)
    for step in (200, 100):
        assert (await home(at.tab)).status_code == 200
        house.clock.step += step
    asked = await at.tab.get(f"{MAIN}/shift")
    assert asked.headers["location"] == "/emergency/back?next=/shift"
    page = await at.tab.get(MAIN + asked.headers["location"])
    assert "The sign-on service is back" in page.text
    assert (await at.tab.get(f"{MAIN}/shift")).status_code == 200
    leaving = await at.tab.get(f"{MAIN}/sign-on/start?next=/shift")
    assert "prompt=login" in leaving.headers["location"]
    page, _ = await at.tab.follow(leaving.headers["location"])
    assert "You signed on in an emergency" not in page.text
    shifts = [e["shift"] for e in await house.events("shift.started")]
    assert len(set(shifts)) == 2
    assert (await house.events("emergency.started"))[0]["shift"] not in shifts


async def test_signing_on_again_at_a_lock_begins_a_confirmed_shift(house: Front) -> None:
    """The offline one is not taken up by it, and shows nobody anything any more."""
    at = await known(house)
    away(house)
    await at.emergency("n.okoye")
    await at.tab.post(f"{MAIN}/lock")
    await back(house)
    leaving = await at.tab.post(f"{MAIN}/unlock/again", await at.tab.proof("unlock"))
    page, _ = await at.tab.follow(leaving.headers["location"])
    assert "Your systems" in page.text
    assert "You signed on in an emergency" not in page.text
    assert await house.events("session.unlocked") == []


async def test_nobody_is_sent_where_nothing_answers(house: Front) -> None:
    """The sign-on page says so and offers the way round, with the page that was asked for."""
    await known(house)
    away(house)
    page, way = await house.tab().follow(f"{MAIN}/sign-on/start?next=/shift")
    assert not any(address.startswith(house.provider.issuer) for address in way)
    assert (page.status_code, 'href="/emergency?next=/shift"' in page.text) == (503, True)
    await back(house)
    _, way = await house.tab().follow(f"{MAIN}/sign-on/start")
    assert any(address.startswith(house.provider.issuer) for address in way)


async def test_where_it_is_switched_off_there_is_none(tmp_path: Path) -> None:
    """No page, no offer, nothing kept."""
    async with front(tmp_path, emergency={"enabled": False}) as house:
        opened = SqliteStore(house.folder / "data" / "sessions.db", Seal.of((house.folder / "seal.key").read_bytes()))
        at = await known(house)
        away(house)
        assert (await at.emergency("n.okoye")).headers["location"] == "/sign-on"
        assert (await at.tab.get(f"{MAIN}/emergency")).headers["location"] == "/sign-on"
        page, _ = await at.tab.follow(f"{MAIN}/sign-on/start")
        assert "mergency" not in page.text
        assert await opened.last_sign_on(house.provider.issuer, "n.okoye") is None
        await opened.close()


# By passkey


async def with_passkey(house: Front, store: SqliteStore, key: SecurityKey) -> Desk:
    at = await known(house)
    place = Place("records.localhost", MAIN, shared=True)
    kept = made(place, replace(key, challenge=CHALLENGE).made(), CHALLENGE)
    await store.put_factor(house.provider.issuer, "n.okoye", "passkey", written([Passkey(kept.id, kept.public_key, 0)]))
    return at


async def used(at: Desk, key: SecurityKey, subject: str = "n.okoye", **more: str) -> httpx2.Response:
    """Asked and answered, with the device's proof beside it."""
    asked = (await at.tab.sent("/emergency/passkey/options", {})).json()["challenge"]
    challenge = base64.urlsafe_b64decode(asked + "=" * (-len(asked) % 4))
    answer = replace(key, challenge=challenge, count=key.count + 1).proof()
    answer["response"]["userHandle"] = encoded(handle(at.house.provider.issuer, subject))
    return await at.tab.sent("/emergency/passkey", {**answer, **await at.tab.proof("emergency"), **more})


KEY = SecurityKey(host="records.localhost", origin=MAIN)


async def test_a_passkey_names_its_owner_and_signs_on(house: Front, store: SqliteStore) -> None:
    """Nothing is typed; the journal says by what."""
    at = await with_passkey(house, store, KEY)
    away(house)
    answer = await used(at, KEY, next="/shift")
    assert answer.json() == {"next": "/shift"}
    assert "N Okoye" in (await home(at.tab)).text
    assert [e["method"] for e in await house.events("emergency.started")] == ["passkey"]


async def test_a_passkey_that_is_not_its_owner_s_signs_nobody_on(house: Front, store: SqliteStore) -> None:
    """Another key in their name, their key in another's, what is built into a shared PC, an answer twice: told, and written down."""
    at = await with_passkey(house, store, KEY)
    await known(house, sub="dr.lee", name="Lee Adler", preferred_username="ladler")
    away(house)
    for key, subject in ((SecurityKey(host=KEY.host, origin=MAIN), "n.okoye"), (KEY, "dr.lee"), (KEY, "nobody"),
                         (replace(KEY, attachment="platform"), "n.okoye")):  # fmt: skip
        answer = await used(at, key, subject)
        assert answer.status_code == 403
        assert "not known here" in answer.json()["title"]
    assert await house.events("emergency.started") == []
    assert set(await failed(house)) == {"emergency-wrong"}


async def test_a_passkey_counts_for_nothing_while_the_provider_is_there(house: Front, store: SqliteStore) -> None:
    """And from a device that is not enrolled never."""
    at = await with_passkey(house, store, KEY)
    assert "sign-on service answers" in (await used(at, KEY)).json()["title"]
    away(house)
    at.tab.device = "0" * 32
    assert (await used(at, KEY)).status_code == 403
    assert await house.events("emergency.started") == []


# By somebody's word


async def senior(house: Front, **claims: Any) -> Desk:
    at = await desk(house)
    sister = {
        "sub": "sr.bell",
        "name": "Sr Bell",
        "roles": ["nurse", "sister"],
        "sid": "s-bell",
        "preferred_username": "rbell",
    }
    await at.sign_on(**{**sister, **claims})
    return at


async def yes(at: Desk, who: str, **form: str) -> httpx2.Response:
    return await at.tab.post(f"{MAIN}/vouch/yes", {"who": who, **await at.tab.proof("vouch"), **form})


async def number_for(at: Desk, who: str = "nokoye", **form: str) -> str:
    looked = await at.tab.post(f"{MAIN}/vouch", {"who": who})
    assert "Do you vouch for N Okoye?" in looked.text, looked.text
    said = await yes(at, who, **form)
    found = re.search(r'aria-label="Number">([^<]+)<', said.text)
    assert found is not None, said.text
    return found[1]


async def test_a_senior_vouches_for_a_locum_without_a_card(house: Front) -> None:
    """While the provider is there: their number selects, the locum's own PIN proves; both names stand in the journal."""
    locum = await known(house)
    house.clock.step += 20 * DAY
    number = await number_for(await senior(house))
    answer = await locum.emergency(number)
    assert answer.status_code == 303
    assert "N Okoye" in (await home(locum.tab)).text
    (event,) = await house.events("emergency.started")
    assert (event["why"], event["vouched_by"], event["vouched_by_name"]) == ("vouched", "sr.bell", "Sr Bell")
    (vouched,) = await house.events("emergency.vouched")
    assert (vouched["subject"], vouched["vouched_for"]) == ("sr.bell", "n.okoye")
    house.clock.step += 290
    assert (await home(locum.tab)).status_code == 200, "the provider is there all the time: nobody is sent to it"
    again = await desk(house)
    assert "sign-on service answers" in (await again.emergency(number)).text, "the number was good once"


async def test_a_number_without_its_clinician_s_pin_opens_nothing(house: Front) -> None:
    """Neither the senior's own PIN nor another's; it stays good for whoever it is for, and for ten minutes."""
    locum = await known(house)
    sister = await senior(house)
    await sister.set_pin("903715")
    number = await number_for(sister)
    assert (await locum.emergency(number, "903715")).status_code == 403
    assert (await locum.emergency(number.lower().replace(" ", ""))).status_code == 303
    late = await number_for(sister)
    house.clock.step += 601
    assert (await (await desk(house)).emergency(late)).status_code == 403
    assert len(await house.events("emergency.started")) == 1


async def test_a_number_used_twice_at_once_seats_one(house: Front) -> None:
    """The second finds it taken."""
    locum = await known(house)
    number = await number_for(await senior(house))
    others = [await desk(house, like=locum) for _ in range(3)]
    answers = await asyncio.gather(*(one.emergency(number) for one in others))
    assert sorted(answer.status_code for answer in answers) == [303, 403, 403]


async def test_who_may_vouch_is_the_policies_to_say(house: Front) -> None:
    """Not a nurse, nor a senior by one factor, nor one who was let in by somebody's word; and nobody for themselves."""
    at = await known(house)
    nurse = await senior(house, roles=["nurse"])
    assert "does not let you vouch" in (await nurse.tab.get(f"{MAIN}/vouch")).text
    assert "Vouch for" not in (await nurse.tab.get(f"{MAIN}/shift")).text
    weak = await senior(house, sub="sr.weak", preferred_username="weak", amr=["pwd"])
    assert (await weak.tab.get(f"{MAIN}/vouch")).status_code == 403
    sister = await known(house, "903715", sub="sr.bell", name="Sr Bell", roles=["nurse", "sister"],
                         preferred_username="rbell")  # fmt: skip
    away(house)
    await sister.emergency("rbell", "903715")
    refused = await yes(sister, "nokoye")
    assert (refused.status_code, "offline" in refused.text) == (403, True)
    await back(house)
    own = await senior(house)
    assert "Nobody vouches for themselves" in (await yes(own, "rbell")).text
    assert "Whoever is new here" in (await own.tab.post(f"{MAIN}/vouch", {"who": "locum.new"})).text
    assert await house.events("emergency.vouched") == []
    assert (await at.tab.get(f"{MAIN}/vouch")).headers["location"].startswith("/sign-on")


async def test_vouching_takes_a_fresh_proof(house: Front) -> None:
    """After five minutes by PIN, or at the provider; without either no number."""
    await known(house)
    sister = await senior(house)
    await sister.set_pin("903715")
    for _ in range(2):
        house.clock.step += 200
        await home(sister.tab)
    leaving = await yes(sister, "nokoye")
    page = await sister.tab.get(MAIN + leaving.headers["location"])
    assert (page.status_code, 'name="pin"' in page.text, "sign on" in page.text.lower()) == (200, True, True)
    unproved = await sister.tab.post(f"{MAIN}/vouch/yes", {"who": "nokoye", "pin": "903715"})
    assert (unproved.status_code, "did not show that it is" in unproved.text) == (403, True)
    wrong = await yes(sister, "nokoye", pin=WRONG)
    assert (wrong.status_code, "That is not your PIN" in wrong.text) == (403, True)
    assert await house.events("emergency.vouched") == []
    await number_for(sister, pin="903715")


async def test_only_our_own_pages_may_ask(house: Front) -> None:
    """Another site signs nobody on and vouches for nobody."""
    for path in ("/emergency", "/emergency/passkey", "/emergency/passkey/options", "/vouch", "/vouch/yes"):
        answer = await house.tab().post(MAIN + path, {"who": "x"}, **{**NAVIGATION, "sec-fetch-site": "cross-site"})
        assert answer.status_code == 403


async def test_a_badge_selects_as_a_name_does(tmp_path: Path) -> None:
    """Where badges are read: the number alone opens nothing, and the PIN is asked all the same."""
    async with front(tmp_path, badges={"enabled": True}) as house:
        at = await known(house, badge="0412345678")
        away(house)
        assert "badge" in (await at.tab.get(f"{MAIN}/emergency")).text
        assert (await at.emergency("0412345678", "000000")).status_code == 403
        assert (await at.emergency("0412345678")).headers["location"] == "/"
        assert [event["subject"] for event in await house.events("emergency.started")] == ["n.okoye"]


async def test_a_badge_brings_nobody_into_an_emergency_shift(tmp_path: Path) -> None:
    """At another desk it asks for the provider, as for whoever has no shift; an emergency sign-on there is one of its own."""
    async with front(tmp_path, badges={"enabled": True}) as house:
        at = await known(house, badge="0412345678")
        away(house)
        await at.emergency("n.okoye")
        await at.tab.post(f"{MAIN}/shift/badge", {"badge": "0487654321"})
        assert len(await house.events("badge.registered")) == 1, "none is registered from it"
        other = await desk(house)
        tapped = await other.tab.post(f"{MAIN}/badge", {"badge": "0412345678", **await other.tab.proof("unlock")})
        tap = re.search(r'name="tap" value="([^"]+)"', tapped.text)
        assert tap is not None
        form = {"tap": tap[1], "pin": PIN, **await other.tab.proof("unlock")}
        assert (await other.tab.post(f"{MAIN}/badge/pin", form)).status_code == 503
        assert len(await house.events("session.seated")) == 2, "at the provider once, and in the emergency"


async def test_whoever_signs_off_while_the_provider_is_away_sees_that_they_are_off(house: Front) -> None:
    """Our own page says so, in place of an address that does not answer."""
    at = await desk(house)
    await at.sign_on()
    away(house)
    await house.tab().get(f"{MAIN}/sign-on/start")  # somebody has noticed
    answer = await at.tab.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    page, way = await at.tab.follow(answer.headers["location"])
    assert way[-1] == f"{MAIN}/signed-off"
    assert page.status_code == 200
