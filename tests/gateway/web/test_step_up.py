"""A proof for one action: asked of this clinician and no more than is needed, given in the same session, and gone by itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from sso.testing import Reply

from .front import MAIN, NAVIGATION, NOWHERE, OWN_FORM, PAS, Front, Tab, front

LAB = "http://lab.records.localhost:8080"
HOST, PAS_HOST = "records.localhost:8080", "pas.records.localhost:8080"
COOKIE = "__Host-lanyard"
PIN = "284917"
EXPORT = f"{PAS}/export?nhs=9990001112"
NOTE = "Seen at 14:10, comfortable, obs stable.\nPlan: review at 18:00"
NOTES = f"{PAS}/notes?nhs=9990001112"
FORM = {**OWN_FORM, "content-type": "application/x-www-form-urlencoded", "referer": f"{PAS}/patient?nhs=9990001112"}
DOCTOR = {"roles": ["doctor"], "amr": ["pwd", "mfa"], "acr": "aal2"}
CARD = {**DOCTOR, "acr": "aal3"}
PASSWORD = {**DOCTOR, "amr": ["pwd"], "acr": "aal1"}

OPTIONS: dict[str, Any] = {
    "login_page": "/login", "username_field": "user", "password_field": "pass",
    "success": {"text": "Welcome"}, "failure": {"text": "Wrong"}, "logged_off": {"text": "Log in"},
    "routes": [
        {"id": "export", "path": "/export", "action": "export", "kind": "patient", "patient": {"in": "query", "name": "nhs"}},
        {"id": "discharge", "path": "/discharge", "action": "write", "kind": "note", "changing": True,
         "patient": {"in": "query", "name": "nhs"}},
        {"id": "note", "methods": ["POST"], "path": "/notes", "action": "write", "kind": "note",
         "patient": {"in": "query", "name": "nhs"}},
    ],
}  # fmt: skip
SYSTEMS = [
    {"name": name, "title": title, "connector": "webform", "upstream": NOWHERE, "options": OPTIONS}
    for name, title in (("pas", "Patient administration"), ("lab", "Laboratory"))
]
SSO = {"acr_values": ["aal1", "aal2"], "step_up_acr_values": ["aal3"]}


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Front]:
    """Devices are only observed, so that what is asked for is the proof."""
    async with front(tmp_path, gateways=request.param, systems=SYSTEMS, sso=SSO) as opened:
        opened.provider.claims = dict(DOCTOR)
        yield opened


async def signed_on(house: Front, *, enrolled: bool = False) -> Tab:
    tab = house.tab()
    if enrolled:
        await tab.enrol()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    return tab


def way_on(page: httpx2.Response) -> str:
    """Where the button of a refusal leads."""
    found = re.search(r'class="button" href="([^"]*/step-up\?ticket=[^"]*)"', page.text)
    assert found is not None, page.text
    return found[1]


async def leaving(tab: Tab, url: str = EXPORT) -> str:
    """From a refusal by its one button to the provider: the address that the browser leaves for."""
    page, _ = await tab.follow(url)
    return (await tab.get(way_on(page))).headers["location"]


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def proved(house: Front, tab: Tab, claims: dict[str, Any] = CARD, url: str = EXPORT) -> tuple[str, list[str]]:
    """The whole way; the text of the page at its end, and the way from the provider on."""
    away = await leaving(tab, url)
    house.provider.claims = dict(claims)
    page, way = await tab.follow(away)
    house.provider.claims = dict(DOCTOR)
    return page.text, way


async def is_refused(tab: Tab, url: str = EXPORT) -> bool:
    page, _ = await tab.follow(url)
    return "One more proof is needed" in page.text


async def works(house: Front, tab: Tab, minutes: float) -> None:
    """Something is looked at in every fourth minute."""
    for _ in range(int(minutes // 4)):
        house.clock.step += 240
        await tab.get(f"{MAIN}/")
    house.clock.step += minutes % 4 * 60


# The way there and back


async def test_a_doctor_s_export_asks_for_the_smartcard_and_goes_on(house: Front) -> None:
    """One button to the provider, which is asked for that and now; then the page itself, in the same session and shift."""
    tab = await signed_on(house)
    page, _ = await tab.follow(EXPORT)
    assert page.status_code == 403
    assert "Sign on with a stronger proof" in page.text
    assert "You come straight back here" in page.text
    away = (await tab.get(way_on(page))).headers["location"]
    assert away.startswith(house.provider.issuer)
    assert (asked(away)["acr_values"], asked(away)["prompt"]) == ("aal3", "login")
    house.provider.claims = dict(CARD)
    _, way = await tab.follow(away)
    assert EXPORT in way
    assert "/vault/pas" in way[-1], "permitted: what is asked for now is the log-on there"
    permitted = [e for e in await house.events("access.intent") if e["route"] == "export"]
    assert len(permitted) == 1
    assert len(await house.events("session.seated")) == 1
    assert len(await house.events("shift.started")) == 1


async def test_who_stepped_up_how_and_for_what_is_in_the_journal(house: Front) -> None:
    """Before it holds; by the number of the refusal, and until when."""
    tab = await signed_on(house)
    await proved(house, tab)
    (denied,) = await house.events("access.denied")
    sign_on, event = await house.events("login.ok")
    assert "step_up" not in sign_on
    wanted = {"step_up": True, "method": "federated", "acr": "aal3", "assurance": 3, "subject": "n.okoye",
              "action": "export", "kind": "patient", "system": "pas", "refused": "export-assurance",
              "request": denied["request"], "session": denied["session"]}  # fmt: skip
    assert {name: event[name] for name in wanted} == wanted
    assert event["until"] == pytest.approx(house.clock() + 900, abs=10)


async def works_at(tab: Tab, host: str) -> bool:
    """Whether this browser's cookie is good there: a script's call is answered by the system's rules, not by 401."""
    own = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty", "accept": "*/*"}
    return (await tab.ask("GET", f"{host}/export?nhs=1", own)).status_code not in (401, 303)


async def test_the_cookies_from_before_are_worth_nothing(house: Front) -> None:
    """Whoever had copied them has none of what was raised, at no host; its clinician's are renewed on the way."""
    tab, thief = await signed_on(house), house.tab()
    await tab.follow(f"{LAB}/")
    thief.cookies = {host: dict(jar) for host, jar in tab.cookies.items()}
    await proved(house, tab)
    for host in (HOST, PAS_HOST):
        assert tab.cookies[host][COOKIE] != thief.cookies[host][COOKIE]
    assert [await works_at(thief, host) for host in (PAS, LAB)] == [False, False]
    assert [await works_at(tab, host) for host in (PAS, LAB)] == [True, False]
    assert (await thief.get(f"{MAIN}/")).headers["location"] == "/sign-on"
    assert (await tab.get(f"{MAIN}/")).status_code == 200
    assert "<h1>Sign on</h1>" in (await thief.follow(f"{LAB}/"))[0].text
    await tab.follow(f"{LAB}/export?nhs=1")
    assert tab.cookies[LAB.partition("://")[2]][COOKIE] != thief.cookies[LAB.partition("://")[2]][COOKIE]


async def test_a_form_at_another_system_is_held_over_the_change_of_cookies(house: Front) -> None:
    """Written there meanwhile, in another tab: it goes on by itself once the cookie is renewed, as after any five minutes."""
    tab = await signed_on(house)
    await tab.follow(f"{LAB}/")
    await proved(house, tab)
    answer = await tab.post(f"{LAB}/notes?nhs=9990001112", {"note": NOTE}, **{**FORM, "referer": f"{LAB}/"})
    assert answer.status_code == 303
    page, way = await tab.follow(answer.headers["location"])
    assert "/.lanyard/kept?id=" in way[-1]
    assert "lanyard-kept" in page.text
    assert NOTE in page.text


async def test_it_falls_back_by_itself(house: Front) -> None:
    """After a quarter of an hour the next export asks again; the session works on as before."""
    tab = await signed_on(house)
    await proved(house, tab)
    await works(house, tab, 14.8)
    assert not await is_refused(tab)
    house.clock.step += 20
    assert await is_refused(tab)
    assert (await tab.get(f"{MAIN}/")).status_code == 200


async def test_a_hospital_says_how_long_it_holds(tmp_path: Path) -> None:
    """`shift.step_up`."""
    async with front(tmp_path, systems=SYSTEMS, sso=SSO, shift={"step_up": "2m"}) as house:
        house.provider.claims = dict(DOCTOR)
        tab = await signed_on(house)
        await proved(house, tab)
        house.clock.step += 121
        assert await is_refused(tab)


async def test_a_lock_ends_it(house: Front) -> None:
    """Whoever unlocks by a PIN, or by the usual sign-on, is at the shift's assurance again."""
    tab = await signed_on(house)
    await proved(house, tab)
    assert not await is_refused(tab)
    await tab.post(f"{MAIN}/lock")
    sent = await tab.post(f"{MAIN}/unlock/again", {"next": "/shift"})
    await tab.follow(sent.headers["location"])
    assert len(await house.events("session.unlocked")) == 1
    assert await is_refused(tab)


async def test_no_other_session_of_the_shift_is_raised(house: Front) -> None:
    """Neither the clinician's other browser nor the one that they hand the shift to."""
    phone, tab, tablet = await signed_on(house), await signed_on(house), house.tab()
    await proved(house, tab)
    code = re.search(r'class="code"[^>]*>([A-Z0-9 -]+)<', (await tablet.post(f"{MAIN}/handoff")).text)
    assert code is not None
    await tab.post(f"{MAIN}/handoff/look", {"code": code[1]})
    said = await tab.post(f"{MAIN}/handoff/confirm", {"code": code[1], "answer": "yes"})
    number = re.search(r'aria-label="Number">(\d+)<', said.text)
    assert number is not None
    await tablet.post(f"{MAIN}/handoff/take", {"number": number[1]})
    assert len({e["shift"] for e in await house.events("session.seated")}) == 1
    assert not await is_refused(tab)
    assert await is_refused(phone)
    assert await is_refused(tablet)


@pytest.mark.parametrize("refreshes", [True, False], ids=["by refresh token", "silently"])
async def test_a_re_check_that_sees_the_smartcard_raises_nothing(tmp_path: Path, refreshes: bool) -> None:
    """The provider says of its own session what it was proved by; ours stays what it was signed on with."""
    async with front(tmp_path, systems=SYSTEMS, sso={**SSO, "recheck": "60s"}) as house:
        house.provider.claims = dict(DOCTOR)
        if not refreshes:
            house.provider.answer = {"refresh_token": None}
        tab = await signed_on(house)
        await proved(house, tab)
        house.provider.claims = dict(CARD)
        for _ in range(4):
            house.clock.step += 230
            await tab.follow(f"{MAIN}/shift")
        await house.awaited("shift.renewed" if not refreshes else "login.ok")
        assert await is_refused(tab)
        assert await is_refused(await signed_on_elsewhere(house))


async def signed_on_elsewhere(house: Front) -> Tab:
    """In the same shift, by the usual proof."""
    house.provider.claims = dict(DOCTOR)
    return await signed_on(house)


async def test_a_smartcard_at_sign_on_holds_for_the_shift(house: Front) -> None:
    """Then the shift itself is as strong, and nothing is asked apart."""
    house.provider.claims = dict(CARD)
    tab = await signed_on(house)
    assert not await is_refused(tab)
    await works(house, tab, 20)
    assert not await is_refused(tab)


# What raises nothing


FAILED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a weaker proof": (DOCTOR, "not as strong", "assurance"),
    "a proof of this morning": ({**CARD, "auth_time": 1_000_000_000}, "did not ask", "proof-old"),
    "another role": ({**CARD, "roles": ["doctor", "nurse"]}, "another role", "other-role"),
    "a token that is not the provider's": ({**CARD, "iss": "https://elsewhere.example"}, "could not be used", "claims"),
}


@pytest.mark.parametrize("how", FAILED)
async def test_what_does_not_suffice_is_said_and_raises_nothing(house: Front, how: str) -> None:
    """On the page that asked, which offers it again; the session, its cookie and its freshness are as before."""
    claims, says, reason = FAILED[how]
    tab = await signed_on(house)
    before = tab.cookies[HOST][COOKIE]
    text, way = await proved(house, tab, claims)
    assert way[-1].endswith(f"&said={reason}")
    assert says in text
    assert "/step-up/sign-on" in text
    assert tab.cookies[HOST][COOKIE] == before
    assert await is_refused(tab)
    (failed,) = await house.events("login.failed")
    assert (failed["reason"], failed["step_up"], failed["refused"]) == (reason, True, "export-assurance")
    assert len(await house.events("login.ok")) == 1


async def test_somebody_else_s_proof_locks_the_session_from_them(house: Front) -> None:
    """A colleague's card at this browser raises nothing and shows nothing; its clinician unlocks, and is asked again."""
    tab = await signed_on(house)
    text, way = await proved(house, tab, {**CARD, "sub": "dr.lee", "name": "Lee Adler"})
    assert "<h1>Locked</h1>" in text
    assert "Somebody else signed on here" in text
    assert [e["reason"] for e in await house.events("session.locked")] == ["other-person"]
    assert [e["reason"] for e in await house.events("login.failed")] == ["other-person"]
    back = urlsplit(way[-1]).query.removeprefix("next=")
    assert back.startswith("/step-up?ticket=")
    sent = await tab.post(f"{MAIN}/unlock/again", {"next": back})
    _, way = await tab.follow(sent.headers["location"])
    assert any("acr_values=aal3" in url for url in way), "the question is the same as before"


async def cancelled(house: Front, tab: Tab, away: str, error: str = "access_denied") -> httpx2.Response:
    state, issuer = asked(away)["state"], house.provider.issuer
    page, _ = await tab.follow(f"{MAIN}/sign-on/callback?error={error}&state={state}&iss={issuer}")
    return page


@pytest.mark.parametrize("error", ["access_denied", "login_required", "temporarily_unavailable", "invalid_scope"])
async def test_cancelled_at_the_provider_leads_back_to_the_refusal(house: Front, error: str) -> None:
    """Nothing is lost: it can be tried again from there, and the way back shows the refusal."""
    tab = await signed_on(house)
    page = await cancelled(house, tab, await leaving(tab), error)
    assert page.status_code == 403
    assert "Nothing was raised, and nothing was sent" in page.text
    back = re.search(r'href="(/enter\?ticket=[^"]+)">Go back without it', page.text)
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert back is not None
    assert ticket is not None
    again = await tab.post(f"{MAIN}/step-up/sign-on", {"ticket": ticket[1]})
    assert asked(again.headers["location"])["acr_values"] == "aal3"
    assert await is_refused(tab, MAIN + back[1])


async def test_a_provider_that_is_away_is_said_and_the_session_goes_on(house: Front) -> None:
    """Also where it goes away while the clinician is there."""
    tab = await signed_on(house)
    away = await leaving(tab)
    house.provider.replies["/token"] = Reply(503)
    page, _ = await tab.follow(away)
    assert page.status_code == 403
    assert "does not answer" in page.text
    assert (await tab.get(f"{MAIN}/")).status_code == 200


async def test_a_lock_on_the_way_is_unlocked_first(house: Front) -> None:
    """A proof for a session that was open unlocks none."""
    tab = await signed_on(house)
    away = await leaving(tab)
    await tab.post(f"{MAIN}/lock")
    house.provider.claims = dict(CARD)
    page, way = await tab.follow(away)
    assert "<h1>Locked</h1>" in page.text
    assert way[-1].startswith(f"{MAIN}/unlock?next=/step-up?ticket=")
    assert await house.events("session.unlocked") == []


async def test_a_ticket_is_good_in_its_own_session_and_once(house: Front) -> None:
    """Neither a colleague nor the same clinician's other browser can use it, nor is a copied answer of the provider."""
    tab, other = await signed_on(house), await signed_on(house)
    page, _ = await tab.follow(EXPORT)
    assert (await other.get(way_on(page))).status_code == 404
    for path in ("/step-up/sign-on", "/step-up/pin"):
        assert (
            await other.post(MAIN + path, {"ticket": way_on(page).rpartition("=")[2], "pin": PIN})
        ).status_code == 404
    away = (await tab.get(way_on(page))).headers["location"]
    house.provider.claims = dict(CARD)
    answer = (await house.provider.authorise(away)).decode()
    await other.follow(f"{MAIN}/sign-on/callback?{answer}")
    await tab.follow(f"{MAIN}/sign-on/callback?{answer}")
    assert await is_refused(other)
    assert await is_refused(tab)
    assert (await house.tab().get(f"{MAIN}/step-up?ticket=x")).headers["location"] == "/sign-on"


async def test_a_question_of_long_ago_is_said_to_be_over(house: Front) -> None:
    """After a quarter of an hour the page is to be opened again."""
    tab = await signed_on(house)
    page, _ = await tab.follow(EXPORT)
    await works(house, tab, 15.1)
    late = await tab.get(way_on(page))
    assert (late.status_code, "too long ago" in late.text) == (404, True)


# What changes something


async def as_after_a_password(house: Front) -> Tab:
    """Assurance 1: the rules let nobody write."""
    house.provider.claims = dict(PASSWORD)
    return await signed_on(house)


async def send(tab: Tab, address: str) -> httpx2.Response:
    """The button of the page that shows what is kept."""
    plain = {**NAVIGATION, "sec-fetch-site": "same-origin", "content-type": "text/plain"}
    return await tab.ask("POST", NOTES, plain, f"lanyard-kept={address[-32:]}\r\n".encode())


async def test_a_note_that_was_refused_is_kept_and_sent_by_hand(house: Front) -> None:
    """Not sent: the page says so. After the proof it is shown with its text, and goes once, when its writer presses the button."""
    tab = await as_after_a_password(house)
    page = await tab.post(NOTES, {"note": NOTE, "password": "hunter2"}, **FORM)
    assert page.status_code == 403
    assert "Not sent: nothing was changed" in page.text
    assert "send it yourself" in page.text
    away = (await tab.get(way_on(page))).headers["location"]
    assert asked(away)["acr_values"] == "aal2", "a second factor is enough"
    house.provider.claims = dict(DOCTOR)
    shown, way = await tab.follow(away)
    assert "/.lanyard/kept?id=" in way[-1]
    assert NOTE in shown.text
    assert "hunter2" not in shown.text
    assert "Send it now" in shown.text
    assert [e for e in await house.events("access.intent") if e["route"] == "note"] == []
    assert [e["reason"] for e in await house.events("request.rejected") if "kept" in e] == ["assurance"]
    await send(tab, way[-1])
    assert len([e for e in await house.events("access.intent") if e["route"] == "note"]) == 1


async def test_a_kept_note_that_is_sent_without_the_proof_is_refused_and_stays(house: Front) -> None:
    """It went nowhere: it is there again as it was, once, and may be sent after the proof."""
    tab = await as_after_a_password(house)
    page = await tab.post(NOTES, {"note": NOTE}, **FORM)
    back = (await cancelled(house, tab, (await tab.get(way_on(page))).headers["location"])).text
    found = re.search(r'href="(/enter\?ticket=[^"]+)">Go back', back)
    assert found is not None
    shown, way = await tab.follow(MAIN + found[1])
    assert "Send it now" in shown.text
    sent = await send(tab, way[-1])
    assert "Not sent: nothing was changed" in sent.text
    house.provider.claims = dict(DOCTOR)
    shown, again = await tab.follow((await tab.get(way_on(sent))).headers["location"])
    assert again[-1] == way[-1]
    assert "Send it now" in shown.text
    assert shown.text.count(NOTE.partition("\n")[0]) == 1


async def test_a_form_that_is_too_large_to_be_kept_is_said_not_to_be(house: Front) -> None:
    """And the way back is the page that it was written on."""
    tab = await as_after_a_password(house)
    page = await tab.post(NOTES, {"note": "x" * 70_000}, **FORM)
    assert "Not sent: nothing was changed" in page.text
    assert "could not be kept" in page.text
    house.provider.claims = dict(DOCTOR)
    _, way = await tab.follow((await tab.get(way_on(page))).headers["location"])
    assert FORM["referer"] in way


async def test_a_link_that_changes_something_is_not_followed_again_by_itself(house: Front) -> None:
    """The proof leads to the page that it stands on."""
    tab = await as_after_a_password(house)
    address = f"{PAS}/discharge?nhs=9990001112"
    page = await tab.get(address, referer=FORM["referer"], **{"sec-fetch-site": "same-origin"})
    assert "Not sent: nothing was changed" in page.text
    house.provider.claims = dict(DOCTOR)
    _, way = await tab.follow((await tab.get(way_on(page))).headers["location"])
    assert address not in way
    assert FORM["referer"] in way


async def test_a_script_is_told_what_would_help(house: Front) -> None:
    """In the problem that it can read; it is given no ticket."""
    tab = await signed_on(house)
    answer = await tab.ask("GET", EXPORT, {"sec-fetch-dest": "empty", "sec-fetch-site": "same-origin", "accept": "*/*"})
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["remedies"], said["step_up"]) == (["step_up"], {"assurance": 3, "local": []})
    assert "ticket" not in answer.text


# A proof of one's own


RULES = """@id("doctors") permit (principal in Role::"doctor", action, resource);
@id("fresh") @reason("fresh") @text("taking records out needs to know that it is still you") @remedy("step_up")
forbid (principal, action == Action::"export", resource) unless { context.proof_fresh };
"""


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[tuple[Front, Tab]]:
    """A rule that any fresh proof satisfies, and a doctor with a PIN who signed on six minutes ago at an enrolled PC."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.cedar").write_text(RULES, encoding="utf-8")
    async with front(tmp_path, systems=SYSTEMS, sso=SSO, policies={"path": str(tmp_path / "rules")}) as house:
        house.provider.claims = dict(DOCTOR)
        tab = await signed_on(house, enrolled=True)
        await tab.post(f"{MAIN}/shift/pin", {"pin": PIN, "again": PIN, **await tab.proof("unlock")})
        await works(house, tab, 6)
        yield house, tab


async def pin(tab: Tab, ticket: str, typed: str = PIN) -> httpx2.Response:
    """The page's form, with the device's proof."""
    return await tab.post(f"{MAIN}/step-up/pin", {"ticket": ticket, "pin": typed, **await tab.proof("unlock")})


async def test_a_pin_does_where_the_rules_take_a_fresh_proof(fresh: tuple[Front, Tab]) -> None:
    """On an enrolled device: a wrong one is told, the right one leads to the page; nothing is asked of the provider."""
    house, tab = fresh
    page, _ = await tab.follow(EXPORT)
    assert "Prove that it is you" in page.text
    asks = await tab.get(way_on(page))
    assert 'name="pin"' in asks.text
    assert "Sign on again" in asks.text
    ticket = way_on(page).rpartition("=")[2]
    wrong = await pin(tab, ticket, "111222")
    assert "not your PIN" in (await tab.get(urljoin(MAIN, wrong.headers["location"]))).text
    before = tab.cookies[HOST][COOKIE]
    right = await pin(tab, ticket)
    assert tab.cookies[HOST][COOKIE] != before
    _, way = await tab.follow(urljoin(MAIN, right.headers["location"]))
    assert EXPORT in way
    assert not await is_refused(tab)
    event = (await house.events("login.ok"))[-1]
    assert (event["method"], event["step_up"], event["refused"], event["system"]) == ("pin", True, "fresh", "pas")
    (failed,) = await house.events("login.failed")
    assert (failed["reason"], failed["step_up"]) == ("pin-wrong", True)


async def test_where_any_fresh_proof_does_the_provider_is_asked_for_no_smartcard(fresh: tuple[Front, Tab]) -> None:
    """As the shift was signed on; a weaker one does not do for a shift that is stronger."""
    house, tab = fresh
    page, _ = await tab.follow(EXPORT)
    ticket = way_on(page).rpartition("=")[2]
    away = (await tab.post(f"{MAIN}/step-up/sign-on", {"ticket": ticket})).headers["location"]
    assert "aal3" not in asked(away)["acr_values"]
    house.provider.claims = dict(PASSWORD)
    text = (await tab.follow(away))[0].text
    assert "not as strong" in text
    away = (await tab.post(f"{MAIN}/step-up/sign-on", {"ticket": ticket})).headers["location"]
    house.provider.claims = dict(DOCTOR)
    _, way = await tab.follow(away)
    assert EXPORT in way


async def test_a_pin_without_the_device_is_none(fresh: tuple[Front, Tab]) -> None:
    """A copied cookie and a PIN seen over a shoulder raise nothing: the device proves itself too."""
    house, tab = fresh
    page, _ = await tab.follow(EXPORT)
    ticket = way_on(page).rpartition("=")[2]
    thief = house.tab()
    thief.cookies = {host: dict(jar) for host, jar in tab.cookies.items()}
    answer = await pin(thief, ticket)
    assert answer.headers["location"].endswith("&said=device-unproved")
    assert "did not show that it is the device" in (await tab.get(urljoin(MAIN, answer.headers["location"]))).text
    (failed,) = await house.events("login.failed")
    assert (failed["reason"], failed["step_up"]) == ("device-unproved", True)
    assert await is_refused(tab)


async def test_where_the_device_is_not_known_a_pin_is_not_offered(fresh: tuple[Front, Tab]) -> None:
    """The provider is asked at once."""
    house, _ = fresh
    other = await signed_on(house)
    await works(house, other, 6)
    page, _ = await other.follow(EXPORT)
    assert (await other.get(way_on(page))).headers["location"].startswith(house.provider.issuer)


async def test_five_wrong_pins_end_the_session_here_too(fresh: tuple[Front, Tab]) -> None:
    """A question for a proof is no place to guess."""
    house, tab = fresh
    page, _ = await tab.follow(EXPORT)
    ticket = way_on(page).rpartition("=")[2]
    for _ in range(5):
        answer = await pin(tab, ticket, "111222")
    assert answer.headers["location"] == "/sign-on"
    assert [e["reason"] for e in await house.events("session.revoked")] == ["pin-tries"]


async def test_a_page_of_ours_that_wants_a_fresh_proof_keeps_the_session(fresh: tuple[Front, Tab]) -> None:
    """Setting a PIN, hours into a shift: one sign-on, the same session."""
    house, tab = fresh
    assert "First show that it is you" in (await tab.get(f"{MAIN}/shift/pin")).text
    page, _ = await tab.follow(f"{MAIN}/sign-on/start?proof=fresh&next=/shift/pin")
    assert 'name="again"' in page.text
    assert len(await house.events("session.seated")) == 1
    assert (await house.events("login.ok"))[-1]["page"] == "/shift/pin"
