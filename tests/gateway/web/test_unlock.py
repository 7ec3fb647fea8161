"""Locked, unlocked, switched: what a browser sees, and what nobody gets to see."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from policies.model import Ownership
from sso.device import Certificate, Enrolment, Invitation
from sso.testing import BrowserKey

from .front import MAIN, NAVIGATION, OWN_FORM, PAS, PC, Front, Tab, front

HOST, PAS_HOST = "records.localhost:8080", "pas.records.localhost:8080"
PIN, WRONG = "284917", "284918"
RECORD = f"{PAS}/patient?nhs=9990001112"


async def signed_on(house: Front, *, pin: bool = False, on: Invitation | None = PC) -> Tab:
    """In a browser that is enrolled as a shared PC, or as what `on` says; None: not enrolled."""
    tab = house.tab()
    if on is not None:
        await tab.enrol(on)
    await tab.sign_on()
    await tab.follow(RECORD)
    if pin:
        answer = await tab.post(f"{MAIN}/shift/pin", {"pin": PIN, "again": PIN, **await tab.proof("unlock")})
        assert answer.headers["location"] == "/shift"
    return tab


async def locked(house: Front, *, pin: bool = True, on: Invitation | None = PC) -> Tab:
    tab = await signed_on(house, pin=pin, on=on)
    await tab.post(f"{MAIN}/lock")
    return tab


async def tried(tab: Tab, pin: str, back: str = "/shift") -> httpx2.Response:
    return await tab.post(f"{MAIN}/unlock", {"pin": pin, "next": back, **await tab.proof("unlock")})


async def again(house: Front, tab: Tab, back: str = "/shift") -> tuple[httpx2.Response, list[str]]:
    """Sign on at the provider from the unlock page, and wherever that leads."""
    leaving = await tab.post(f"{MAIN}/unlock/again", {"next": back, **await tab.proof("unlock")})
    assert "prompt=login" in leaving.headers["location"]
    return await tab.follow(leaving.headers["location"])


# Locked


async def test_an_idle_session_is_locked_and_written_down_once(house: Front) -> None:
    """Whichever host is asked first, however often, and since the instant at which it was idle."""
    tab = await signed_on(house)
    house.clock.step = 400
    for url in (RECORD, f"{MAIN}/", RECORD, f"{MAIN}/shift"):
        page, _ = await tab.follow(url)
        assert "<h1>Locked</h1>" in page.text
        assert "N Okoye" in page.text
    (event,) = await house.events("session.locked")
    assert event["reason"] == "idle"
    assert house.clock() - event["since"] == pytest.approx(100, abs=5)
    assert await house.events("session.revoked", "shift.ended") == []


async def test_an_idle_session_is_locked_although_nobody_asks(house: Front) -> None:
    """The journal says so within half a minute, not at the next morning's click."""
    await signed_on(house)
    house.clock.step = 400
    house_locks = house.running.gateway._app._locks
    await house_locks.notice()
    await house_locks.notice()
    assert [e["reason"] for e in await house.events("session.locked")] == ["idle"]


async def test_a_locked_session_sees_nothing_but_the_way_out(house: Front) -> None:
    """Every page of ours leads to the one that unlocks, with the way back; a script is told 401."""
    tab = await locked(house)
    for path, back in (("/", ""), ("/shift", "?next=/shift"), ("/shift/pin", "?next=/shift/pin"), ("/sign-on", ""),
                       ("/sign-on/start?next=/shift", "?next=/shift"), ("/enter?ticket=x", "?next=/enter?ticket=x")):  # fmt: skip
        answer = await tab.get(MAIN + path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/unlock{back}")
    answer = await tab.ask("GET", f"{MAIN}/shift", {"sec-fetch-dest": "empty"})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:lanyard:locked")
    assert (await tab.post(f"{MAIN}/shift/end", {"session": "x"})).status_code == 401
    assert (await tab.get(f"{MAIN}/.lanyard/static/lanyard.css")).status_code == 200


async def test_a_locked_session_reaches_no_system(house: Front) -> None:
    """A navigation comes to the unlock page and leads back; a frame, a script and a form are told; nothing is journalled as a look."""
    tab = await locked(house)
    before = len(await house.events("access.intent"))
    page, way = await tab.follow(RECORD)
    assert "<h1>Locked</h1>" in page.text
    assert "/unlock?next=/enter?ticket=" in way[-1]
    assert not any("9990001112" in address for address in way[1:])
    frame = await tab.ask("GET", RECORD, {"sec-fetch-dest": "iframe", "accept": "text/html"})
    assert (frame.status_code, 'target="_top"' in frame.text) == (401, True)
    assert f'href="{MAIN}/unlock"' in frame.text
    script = await tab.ask("GET", RECORD, {"sec-fetch-dest": "empty", "sec-fetch-site": "same-origin"})
    assert (script.status_code, script.json()["type"]) == (401, "urn:lanyard:locked")
    form = await tab.post(RECORD, {"note": "x"})
    assert (form.status_code, "Not sent: nothing was changed" in form.text) == (401, True)
    assert len(await house.events("access.intent")) == before


async def test_a_lock_by_the_clinician_leads_back_to_the_page_it_was_on(house: Front) -> None:
    """And is written down as theirs."""
    tab = await signed_on(house)
    answer = await tab.post(
        f"{MAIN}/lock", None, **{**NAVIGATION, "sec-fetch-site": "same-origin", "referer": f"{MAIN}/shift"}
    )
    assert answer.headers["location"] == "/unlock?next=/shift"
    assert [e["reason"] for e in await house.events("session.locked")] == ["clinician"]


async def test_another_site_locks_switches_and_unlocks_nothing(house: Front) -> None:
    """Each of them is a form of our own pages."""
    tab = await signed_on(house, pin=True)
    for path in ("/lock", "/switch", "/unlock", "/unlock/again", "/shift/pin"):
        assert (await tab.post(MAIN + path, None, **{"sec-fetch-site": "same-site"})).status_code == 403
    assert (await tab.get(f"{MAIN}/")).status_code == 200


async def test_a_locked_session_is_signed_off_alone(house: Front) -> None:
    """Whoever stands before a locked screen may end that session, and not the clinician's others."""
    phone, tab = await signed_on(house), await locked(house)
    answer = await tab.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    assert answer.status_code == 303
    assert (await phone.get(f"{MAIN}/")).status_code == 200
    assert (await tab.get(f"{MAIN}/")).headers["location"] == "/sign-on"


async def test_a_session_that_was_locked_too_long_is_over(house: Front) -> None:
    """After `shift.locked` there is nothing to unlock; whoever comes back signs on."""
    tab = await locked(house)
    house.clock.step = 4 * 3600 + 1
    answer = await tried(tab, PIN)
    assert answer.headers["location"] == "/shift"
    assert (await tab.get(f"{MAIN}/")).headers["location"] == "/sign-on"


# By PIN


async def test_a_pin_unlocks_and_leads_back(house: Front) -> None:
    """The same session, the page that one left, and the journal says how it was proved."""
    tab = await signed_on(house, pin=True)
    cookie = tab.cookies[HOST]["__Host-lanyard"]
    house.clock.step = 400
    page, _ = await tab.follow(RECORD)
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    answer = await tried(tab, PIN, back[1])
    _, onward = await tab.follow(MAIN + answer.headers["location"])
    assert RECORD in onward
    assert tab.cookies[HOST]["__Host-lanyard"] == cookie
    (event,) = await house.events("session.unlocked")
    assert event["method"] == "pin"
    look = (await house.events("access.intent"))[-1]
    assert (look["proof"], look["proof_age"] <= 2) == ("pin", True)
    assert len(await house.events("session.seated")) == 1


async def test_a_wrong_pin_and_none_at_all_are_told_alike(house: Front) -> None:
    """Nobody learns from an answer whether there is a PIN to be guessed."""
    house.clock.step = 60 - time.time() % 60  # a minute begins, and both pages say it
    with_one, without = await locked(house), await locked(house, pin=False)
    first = await tried(with_one, WRONG)
    house.provider.claims = {"sub": "dr.lee", "name": "N Okoye"}
    without = await locked(house, pin=False)
    second = await tried(without, WRONG)
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert first.status_code == 403
    assert PIN not in first.text
    assert {e["reason"] for e in await house.events("login.failed")} == {"pin-wrong"}


async def test_the_fifth_wrong_pin_ends_the_session(house: Front) -> None:
    """Also when they are sent all at once; the right one comes too late, and the shift goes on elsewhere."""
    phone, tab = await signed_on(house, pin=True), await locked(house)
    answers = await asyncio.gather(*(tried(tab, WRONG) for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {303, 403}
    assert len(await house.events("login.failed")) == 5
    assert [e["reason"] for e in await house.events("session.revoked")] == ["pin-tries"]
    await tried(tab, PIN)
    assert await house.events("session.unlocked") == []
    assert (await tab.get(f"{MAIN}/")).status_code == 303
    assert (await phone.get(f"{MAIN}/")).status_code == 200


async def test_a_right_pin_forgives_the_wrong_ones_before(house: Front) -> None:
    """Four slips in the morning do not end the session by a fifth at night."""
    tab = await locked(house)
    for _ in range(2):
        for _ in range(4):
            assert (await tried(tab, WRONG)).status_code == 403
        assert (await tried(tab, PIN)).headers["location"] == "/shift"
        assert (await tab.get(f"{MAIN}/shift")).status_code == 200
        await tab.post(f"{MAIN}/lock")


async def test_tries_at_many_desks_are_tries_of_one_person(house: Front) -> None:
    """Fifteen in an hour: then not even the right one opens, and signing on does."""
    for _ in range(3):
        tab = await locked(house)
        for _ in range(5):
            await tried(tab, WRONG)
    tab = await locked(house)
    answer = await tried(tab, PIN)
    assert (answer.status_code, "Too many PINs" in answer.text) == (403, True)
    page, _ = await again(house, tab)
    assert "<h1>My shift</h1>" in page.text
    house.clock.step = 3601
    await tab.post(f"{MAIN}/lock")
    assert (await tried(tab, PIN)).headers["location"] == "/shift"
    assert (await tab.get(f"{MAIN}/shift")).status_code == 200


async def test_a_pin_is_for_enrolled_devices(house: Front) -> None:
    """On any other none is set, none is asked for, and none opens."""
    await signed_on(house, pin=True)
    tab = await signed_on(house, on=None)
    assert "/shift/pin" not in (await tab.get(f"{MAIN}/shift")).text
    assert (await tab.get(f"{MAIN}/shift/pin")).headers["location"] == "/shift"
    await tab.post(f"{MAIN}/lock")
    assert 'name="pin"' not in (await tab.get(f"{MAIN}/unlock")).text
    for _ in range(6):
        assert "<h1>Locked</h1>" in (await tried(tab, PIN)).text
    assert await house.events("session.unlocked", "login.failed", "session.revoked") == []


async def test_a_pin_is_set_by_whoever_has_just_signed_on(house: Front) -> None:
    """Not later, and not by whoever knows the old one: then a look over the shoulder would do for good."""
    tab = await signed_on(house, pin=True)
    house.clock.step = 299
    await tab.get(f"{MAIN}/")
    house.clock.step = 301
    assert "First show that it is you" in (await tab.get(f"{MAIN}/shift/pin")).text
    assert (await tab.post(f"{MAIN}/shift/pin", {"pin": "903715", "again": "903715"})).headers[
        "location"
    ] == "/shift/pin"
    await tab.post(f"{MAIN}/lock")
    await tried(tab, PIN)
    assert "First show that it is you" in (await tab.get(f"{MAIN}/shift/pin")).text
    page, way = await tab.sign_on_by_way("/sign-on/start?proof=fresh&next=/shift/pin")
    assert way[-1] == f"{MAIN}/shift/pin"
    assert 'name="again"' in page.text
    assert len(await house.events("credential.kept")) == 1


async def test_a_weak_pin_is_refused_with_the_reason(house: Front) -> None:
    """And nothing of it is repeated."""
    tab = await signed_on(house)
    answer = await tab.post(f"{MAIN}/shift/pin", {"pin": "123456", "again": "123456", **await tab.proof("unlock")})
    assert (answer.status_code, "first that somebody would try" in answer.text) == (422, True)
    assert "123456" not in answer.text
    assert await house.events("credential.kept") == []


async def test_a_pin_stands_in_no_store_log_or_journal(house: Front, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the right one nor the tries."""
    tab = await locked(house)
    await tried(tab, WRONG)
    await tried(tab, PIN)
    held = b"".join(path.read_bytes() for path in (house.folder / "data").rglob("*") if path.is_file())
    said = "".join(capfd.readouterr())
    for secret in (PIN, WRONG, "$argon2id"):
        assert secret.encode() not in held
        assert secret not in said


# By signing on again


async def test_signing_on_again_unlocks_the_same_session(house: Front) -> None:
    """The provider is to ask; the session, its cookie and the page stay."""
    tab = await locked(house, pin=False)
    cookie = tab.cookies[HOST]["__Host-lanyard"]
    page, _ = await again(house, tab)
    assert "<h1>My shift</h1>" in page.text
    assert tab.cookies[HOST]["__Host-lanyard"] == cookie
    assert [e["method"] for e in await house.events("session.unlocked")] == ["federated"]
    assert len(await house.events("session.seated")) == 1
    assert len(await house.events("shift.started")) == 1


async def test_a_sign_on_from_before_the_lock_unlocks_nothing(house: Front) -> None:
    """It was begun in another tab, and the provider may have answered without asking anybody."""
    tab = await signed_on(house)
    begun = [await tab.get(f"{MAIN}/sign-on/start{query}") for query in ("", "?proof=fresh")]
    await tab.post(f"{MAIN}/lock")
    for leaving in begun:
        page, _ = await tab.follow(leaving.headers["location"])
        assert "<h1>Locked</h1>" in page.text
    assert await house.events("session.unlocked") == []


async def test_a_silent_check_unlocks_nothing(house: Front) -> None:
    """The claims' re-check is under way when the session is locked."""
    house.provider.answer = {"refresh_token": None}
    tab = await signed_on(house)
    house.clock.step = 290
    await tab.get(f"{MAIN}/shift")
    house.clock.step = 310
    leaving = await tab.get(f"{MAIN}/shift")
    assert "prompt=none" in leaving.headers["location"]
    await tab.post(f"{MAIN}/lock")
    page, _ = await tab.follow(leaving.headers["location"])
    assert "<h1>Locked</h1>" in page.text
    assert await house.events("session.unlocked") == []


async def test_a_proof_older_than_the_question_unlocks_nothing(house: Front) -> None:
    """The provider did not ask: what it proves is this morning's sign-on."""
    tab = await locked(house, pin=False)
    house.provider.claims = {"auth_time": int(house.clock()) - 3600}
    page, _ = await again(house, tab)
    assert page.status_code == 403
    assert "proof-old" in page.text
    assert await house.events("session.unlocked") == []


# Follow-me


async def test_unlocking_here_locks_my_other_shared_sessions(house: Front) -> None:
    """At once, and neither my own phone nor a colleague at the same ward."""
    desk = await signed_on(house, pin=True)
    phone = await signed_on(house, on=Invitation("Phone 12", "Ward 7", Ownership.ISSUED))
    here = await locked(house)
    house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler"}
    colleague = await signed_on(house)
    await tried(here, PIN)
    assert (await desk.get(f"{MAIN}/")).headers["location"] == "/unlock"
    assert "You went on at another device" in (await desk.get(f"{MAIN}/unlock")).text
    for other in (phone, here, colleague):
        assert (await other.get(f"{MAIN}/")).status_code == 200
    assert [e["reason"] for e in await house.events("session.locked")] == ["clinician", "follow-me"]


# Switched


async def test_a_switch_leaves_nothing_and_each_comes_back_to_their_own_page(house: Front) -> None:
    """A to B to A at one browser: no cookie of the other's, no page of the other's, and each in one session and one shift."""
    tab = await signed_on(house)
    house.clock.step = 310
    page, _ = await tab.follow(RECORD)  # A walked off; whoever touches the screen sees whose it is
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    of_a = {host: dict(jar) for host, jar in tab.cookies.items()}
    leaving = await tab.post(f"{MAIN}/switch", {"next": back[1]})
    page, way = await tab.follow(leaving.headers["location"])
    assert way[0].startswith(f"{PAS}/.lanyard/sign-off?ticket=")
    assert way[-1] == f"{MAIN}/sign-on"
    assert "Okoye" not in page.text
    assert "__Host-lanyard" not in tab.cookies[HOST]
    assert "__Host-lanyard" not in tab.cookies[PAS_HOST]
    house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}
    start = await tab.post(f"{MAIN}/sign-on/start", await tab.proof("sign-on"))
    assert "prompt=login" in start.headers["location"], "the provider may still know A"
    page, way = await tab.follow(start.headers["location"])
    assert (way[-1], "Lee Adler" in page.text, "Okoye" in page.text) == (f"{MAIN}/", True, False)
    _, way = await tab.follow(f"{PAS}/ward")
    assert f"{PAS}/ward" in way
    for host, jar in of_a.items():  # what A's browser had opens nothing, whoever kept it
        stolen = house.tab()
        stolen.cookies = {host: jar}
        answer = await stolen.get(f"http://{host}/")
        assert answer.status_code == 303
        assert "unlock" not in answer.headers["location"]
    leaving = await tab.post(f"{MAIN}/switch", {"next": "/shift"})
    await tab.follow(leaving.headers["location"])
    house.provider.claims = {}
    page, way = await tab.sign_on_by_way()
    assert RECORD in way, "A is back where A was"
    leaving = await tab.post(f"{MAIN}/switch")
    await tab.follow(leaving.headers["location"])
    house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}
    page, way = await tab.sign_on_by_way()
    assert way[-1] == f"{MAIN}/shift"
    assert "Lee Adler" in page.text
    assert [e["subject"] for e in await house.events("session.switched")] == ["n.okoye", "dr.lee", "n.okoye"]
    assert [e["subject"] for e in await house.events("shift.started")] == ["n.okoye", "dr.lee"]
    assert [e["subject"] for e in await house.events("session.seated")] == ["n.okoye", "dr.lee"]


async def test_somebody_else_s_sign_on_at_a_lock_is_a_switch(house: Front) -> None:
    """They get a page of their own, not the one that was being opened, and the first one's cookies are taken back."""
    tab = await locked(house)
    house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}
    page, way = await again(house, tab, "/shift")
    assert any(address.startswith(f"{PAS}/.lanyard/sign-off?") for address in way)
    assert (way[-1], "Lee Adler" in page.text, "Okoye" in page.text) == (f"{MAIN}/", True, False)
    assert "__Host-lanyard" not in tab.cookies[PAS_HOST]
    assert [e["subject"] for e in await house.events("session.switched")] == ["n.okoye"]
    assert [e["subject"] for e in await house.events("session.unlocked")] == []
    await tab.follow((await tab.post(f"{MAIN}/switch")).headers["location"])
    house.provider.claims = {}
    _, way = await tab.sign_on_by_way()
    assert way[-1] == f"{MAIN}/shift"
    assert [e["subject"] for e in await house.events("session.unlocked")] == ["n.okoye"]


async def test_a_stale_tab_of_the_one_before_submits_nothing_as_the_one_after(house: Front) -> None:
    """Their form is refused before it is sent: by the cookie that is gone, and by the page, which the new session never showed."""
    tab = await signed_on(house)
    await tab.follow((await tab.post(f"{MAIN}/switch")).headers["location"])
    own = {**NAVIGATION, "sec-fetch-site": "same-origin", "referer": RECORD}
    answer = await tab.post(RECORD, {"note": "x"}, **own)
    assert (answer.status_code, "Nothing was sent" in answer.text) == (401, True)
    house.provider.claims = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}
    await tab.sign_on()
    answer = await tab.post(RECORD, {"note": "x"}, **own)
    assert answer.status_code == 401, "Lee has no session at that host before opening a page there"


async def test_the_mark_that_stays_opens_nothing(house: Front) -> None:
    """It selects among one's own locked sessions: another clinician with it, and its owner without a sign-on, get none of them."""
    tab = await signed_on(house)
    await tab.follow((await tab.post(f"{MAIN}/switch", {"next": "/shift"})).headers["location"])
    assert set(tab.cookies[HOST]) == {"__Host-lanyard-desk", "__Host-lanyard-anew"}
    assert (await tab.get(f"{MAIN}/unlock")).headers["location"] == "/"
    assert (await tab.get(f"{MAIN}/")).headers["location"] == "/sign-on"
    elsewhere = house.tab()
    _, way = await elsewhere.sign_on_by_way()
    assert way[-1] == f"{MAIN}/", "at another browser A begins a new session in the same shift"
    assert len(await house.events("shift.started")) == 1
    assert len(await house.events("session.seated")) == 2


async def test_a_way_back_is_one_of_ours(house: Front) -> None:
    """At every form that takes one."""
    tab = await locked(house)
    for bad in ("//evil.example", "https://evil.example/", "/\\evil.example", "/unlock", "/sign-off"):
        page = await tab.get(f"{MAIN}/unlock?next={quote(bad)}")
        assert 'name="next" value="/"' in page.text
        await tried(tab, PIN, bad)
        assert (await tab.get(f"{MAIN}/")).status_code == 200
        await tab.post(f"{MAIN}/lock")
    answer = await tried(tab, PIN, "//evil.example")
    assert answer.headers["location"] == "/"


# The device that a session is on


def copied(house: Front, tab: Tab) -> Tab:
    """Every cookie of a browser, in another one."""
    thief = house.tab()
    thief.cookies = {host: dict(jar) for host, jar in tab.cookies.items()}
    return thief


async def own_key(thief: Tab, tab: Tab) -> dict[str, str]:
    """A proof of a device that is enrolled too, and another one."""
    await thief.enrol()
    return await thief.proof("unlock")


async def for_sign_on(thief: Tab, tab: Tab) -> dict[str, str]:
    return await tab.proof("sign-on")


async def used(thief: Tab, tab: Tab) -> dict[str, str]:
    fields = await tab.proof("unlock")
    await tab.post(f"{MAIN}/unlock/again", fields)
    return fields


async def another_s_signature(thief: Tab, tab: Tab) -> dict[str, str]:
    await thief.enrol()
    return {**await tab.proof("unlock"), "signature": (await thief.proof("unlock"))["signature"]}


async def nothing(thief: Tab, tab: Tab) -> dict[str, str]:
    return {}


Made = Callable[[Tab, Tab], Awaitable[dict[str, str]]]
PROOFS: dict[str, tuple[Made, ...]] = {
    "device-unproved": (nothing, own_key),
    "device-purpose": (for_sign_on,),
    "device-replayed": (used,),
    "device-signature": (another_s_signature,),
}


@pytest.mark.parametrize(("reason", "made"), [(r, made) for r, all_of in PROOFS.items() for made in all_of])
async def test_copied_cookies_and_the_right_pin_unlock_nothing_elsewhere(house: Front, reason: str, made: Made) -> None:
    """The PIN is not even looked at: no try is counted, and the desk itself unlocks as before."""
    tab = await locked(house)
    thief = copied(house, tab)
    for _ in range(6):
        sent = await made(thief, tab)
        answer = await thief.post(f"{MAIN}/unlock", {"pin": PIN, "next": "/shift", **sent})
        assert answer.status_code == 403
        assert f"Reason: {reason}" in answer.text
        assert "did not show that it is Ward 7 PC 3" in answer.text
        assert (await thief.get(f"{MAIN}/shift")).headers["location"] == "/unlock?next=/shift"
    assert await house.events("session.revoked") == []
    assert {e["reason"] for e in await house.events("login.failed")} == {reason}
    assert (await tried(tab, PIN)).headers["location"] == "/shift"


async def test_a_pin_is_not_set_with_a_copied_cookie(house: Front) -> None:
    """Else the thief's own PIN would open the desk a minute later."""
    tab = await signed_on(house)
    answer = await copied(house, tab).post(f"{MAIN}/shift/pin", {"pin": PIN, "again": PIN})
    assert (answer.status_code, "did not show that it is" in answer.text) == (422, True)
    assert await house.events("credential.kept") == []


async def test_whoever_lost_the_key_is_told_and_goes_on_as_on_an_unknown_device(house: Front) -> None:
    """One more click, the same shift, another session; nothing of the locked one is opened."""
    tab = await locked(house)
    tab.key = None  # the browser's data were cleared
    told = await tab.post(f"{MAIN}/unlock/again", {"next": "/shift"})
    assert (told.status_code, "its key is gone" in told.text) == (403, True)
    leaving = await tab.post(f"{MAIN}/unlock/again", {"next": "/shift", "anyway": "yes"})
    page, _ = await tab.follow(leaving.headers["location"])
    assert "<h1>My shift</h1>" in page.text
    first, second = await house.events("session.seated")
    assert (first["shift"] == second["shift"], second["device_id"]) == (True, "")
    assert await house.events("session.unlocked") == []


async def test_a_proof_that_fails_is_told_before_anybody_leaves_for_the_provider(house: Front) -> None:
    """With the reason that the helpdesk asks for."""
    tab = await locked(house)
    tab.key = BrowserKey()
    told = await tab.post(f"{MAIN}/unlock/again", await tab.proof("unlock"))
    assert (told.status_code, "Reason: device-signature" in told.text) == (403, True)


async def test_a_desk_that_was_enrolled_anew_goes_on_as_the_new_device(house: Front) -> None:
    """By signing on again: another session in the same shift, on the device that it is now."""
    tab = await locked(house)
    again_enrolled = await tab.enrol()
    page, _ = await again(house, tab)
    assert "<h1>My shift</h1>" in page.text
    first, second = await house.events("session.seated")
    assert (first["shift"] == second["shift"], second["device_id"]) == (True, again_enrolled)


async def test_a_switched_session_comes_back_at_its_own_device_only(house: Front) -> None:
    """The mark of the browser may be copied: its clinician gets a new session elsewhere, and the old one at the desk."""
    tab = await signed_on(house)
    await tab.follow((await tab.post(f"{MAIN}/switch", {"next": "/shift"})).headers["location"])
    elsewhere = copied(house, tab)
    _, way = await elsewhere.sign_on_by_way()
    assert way[-1] == f"{MAIN}/"
    assert (await house.events("session.seated"))[-1]["device_id"] == ""
    assert await house.events("session.unlocked") == []
    _, way = await tab.sign_on_by_way()
    assert way[-1] == f"{MAIN}/shift"
    assert len(await house.events("session.unlocked")) == 1


async def test_a_kiosk_unlocks_with_its_certificate_and_not_without(tmp_path: Path) -> None:
    """Shown by the trusted proxy on the request that unlocks; no script is needed."""
    shown = {
        **OWN_FORM,
        "x-ssl-client-verify": "SUCCESS",
        "x-ssl-client-i-dn": "CN=CA",
        "x-ssl-client-s-dn": "CN=kiosk",
    }
    async with front(tmp_path, gateway={"trusted_proxies": ["127.0.0.1/32"]}) as house:
        async with house.store() as store:
            await store.put_device(Enrolment.of(PC, house.clock(), Certificate("CN=CA", "CN=kiosk")))
        tab = house.tab()
        start = await tab.get(f"{MAIN}/sign-on/start", **shown)
        query = (await house.provider.authorise(start.headers["location"])).decode()
        await tab.get(f"{MAIN}/sign-on/callback?{query}", **shown)
        await tab.post(f"{MAIN}/shift/pin", {"pin": PIN, "again": PIN}, **shown)
        await tab.post(f"{MAIN}/lock")
        assert "<noscript>" not in (await tab.get(f"{MAIN}/unlock")).text
        without = await tab.post(f"{MAIN}/unlock", {"pin": PIN})
        assert (without.status_code, "Reason: device-unproved" in without.text) == (403, True)
        assert (await tab.post(f"{MAIN}/unlock", {"pin": PIN}, **shown)).status_code == 303
        assert (await tab.get(f"{MAIN}/shift")).status_code == 200


async def test_the_page_says_that_a_key_needs_a_script(house: Front) -> None:
    """Before anybody types a PIN that will not be looked at."""
    tab = await locked(house)
    assert (
        "This browser runs no scripts, so it cannot show that it is Ward 7 PC 3"
        in (await tab.get(f"{MAIN}/unlock")).text
    )


async def test_a_passkey_unlocks_on_its_session_s_device_only(house: Front) -> None:
    """A copied cookie with somebody's own security key: told so before the key is looked at, and written down."""
    tab = await locked(house)
    thief = copied(house, tab)
    await thief.sent("/unlock/passkey/options", {})
    refused = await thief.sent("/unlock/passkey", {"id": "x", "next": "/"})
    assert (refused.status_code, "did not show that it is" in refused.json()["title"]) == (403, True)
    assert (await house.events("login.failed"))[-1]["reason"] == "device-unproved"
    await tab.sent("/unlock/passkey/options", {})
    await tab.sent("/unlock/passkey", {"id": "x", "next": "/", **await tab.proof("unlock")})
    assert (await house.events("login.failed"))[-1]["reason"] == "passkey-refused"
