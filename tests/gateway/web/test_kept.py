"""A form that meets a session that is over: kept for whoever wrote it, shown to nobody else, sent by nobody but them."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from .front import MAIN, NAVIGATION, OWN_FORM, PAS, Front, Tab

NOTE = "Seen at 14:10, comfortable, obs stable.\nPlan: review at 18:00"
FORM = {**OWN_FORM, "content-type": "application/x-www-form-urlencoded", "referer": f"{PAS}/notes?nhs=9990001112"}


async def at_the_pas(house: Front) -> Tab:
    """Signed on, and in at the system's host."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    return tab


async def kept(tab: Tab, **fields: str) -> str:
    """Send a note; the address that shows it again, or nothing."""
    answer = await tab.post(f"{PAS}/notes?nhs=9990001112", {"note": NOTE, **fields}, **FORM)
    assert answer.status_code == 401
    found = re.search(r'href="(/\.lanyard/kept\?id=[0-9a-f]{32})"', answer.text)
    return PAS + found[1] if found else ""


async def test_a_note_that_came_too_late_is_there_again_after_sign_on(house: Front) -> None:
    """With its system and time and every character; it cannot be sent into the new log-on, so its text is there to copy."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    address = await kept(tab, csrf_token="do-not-show", password="hunter2")
    page, _ = await tab.follow(address)
    assert "<h1>Sign on</h1>" in page.text
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    shown, _ = await tab.follow(f"{MAIN}/sign-on/start?next={back[1].replace('?', '%3F').replace('=', '%3D')}")
    assert NOTE in shown.text
    assert "Patient administration" in shown.text
    assert "Send it now" not in shown.text
    assert "not offered for sending" in shown.text
    assert "do-not-show" not in shown.text
    assert "hunter2" not in shown.text


async def send(tab: Tab, address: str, *, site: str = "same-origin") -> httpx2.Response:
    """The button of the page that shows it."""
    plain = {**NAVIGATION, "sec-fetch-site": site, "content-type": "text/plain"}
    return await tab.ask("POST", f"{PAS}/notes?nhs=9990001112", plain, f"lanyard-kept={address[-32:]}\r\n".encode())


async def unlocked(house: Front, tab: Tab, address: str) -> str:
    """From the address of what is kept, by signing on again, back to it; the page."""
    page, _ = await tab.follow(address)
    assert "<h1>Locked</h1>" in page.text
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    sent = await tab.post(f"{MAIN}/unlock/again", {"next": back[1].replace("&amp;", "&")})
    shown, _ = await tab.follow(sent.headers["location"])
    return shown.text


async def test_what_met_a_lock_goes_on_by_hand_in_the_same_session(house: Front) -> None:
    """After unlocking it may be sent, through the pipeline like any other; it did not arrive here, and is never offered again."""
    house.provider.claims = {"amr": ["pwd", "mfa"], "acr": "aal2"}
    tab = await at_the_pas(house)
    house.clock.step += 400
    address = await kept(tab)
    assert "Send it now" in await unlocked(house, tab, address)
    sent = await send(tab, address)
    assert sent.status_code == 502, "nobody listens behind the gateway here"
    again = (await tab.get(address)).text
    assert NOTE in again
    assert "Send it now" not in again
    intents = [e for e in await house.events("access.intent") if e["method"] == "POST"]
    assert [(e["route"], e["target"], e["patients"]) for e in intents] == [
        ("note", "/notes?nhs=9990001112", [["system:pas", "9990001112"]])
    ]
    assert [e["reason"] for e in await house.events("request.rejected") if "kept" in e] == ["idle"]


async def test_it_is_sent_only_from_its_own_page_and_only_once(house: Front) -> None:
    """Not by another site's form, not by two tabs."""
    house.provider.claims = {"amr": ["pwd", "mfa"], "acr": "aal2"}
    tab = await at_the_pas(house)
    house.clock.step += 400
    address = await kept(tab)
    await unlocked(house, tab, address)
    assert (await send(tab, address, site="same-site")).status_code == 403
    assert (await send(tab, address)).status_code == 502
    assert (await send(tab, address)).status_code == 303
    assert len([e for e in await house.events("access.intent") if e["method"] == "POST"]) == 1


async def test_the_launchpad_says_that_something_waits(house: Front) -> None:
    """For whoever signed on by another way; and no more when it is thrown away, or a quarter of an hour old."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    address = await kept(tab)
    home = await tab.sign_on()
    assert address in home.text
    await tab.follow(address)
    await tab.post(f"{PAS}/.lanyard/kept", {"id": address[-32:], "do": "throw-away"})
    assert address not in (await tab.get(MAIN + "/")).text
    assert (await tab.get(address)).status_code == 404


async def test_it_is_gone_after_a_quarter_of_an_hour(house: Front) -> None:
    """What a clinician wrote does not lie about."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    address = await kept(tab)
    house.clock.step += 15 * 60 + 1
    await tab.sign_on()
    page, _ = await tab.follow(address)
    assert page.status_code == 404


async def test_nobody_else_sees_it(house: Front) -> None:
    """Neither a colleague with the address, nor whoever is not signed on."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    address = await kept(tab)
    house.provider.claims = house.provider.claims | {"sub": "somebody-else", "roles": ["doctor"]}
    other = await at_the_pas(house)
    answer = await other.get(address)
    assert answer.status_code == 404
    assert NOTE[:10] not in answer.text
    assert (await house.tab().get(address)).status_code == 303
    await other.post(f"{PAS}/.lanyard/kept", {"id": address[-32:], "do": "throw-away"})
    house.provider.claims = {}
    await tab.sign_on()
    page, _ = await tab.follow(address)
    assert NOTE in page.text


async def test_whoever_never_had_a_session_leaves_nothing(house: Front) -> None:
    """A stranger cannot fill the store, with a cookie of their own or without one."""
    stranger = house.tab()
    assert await kept(stranger) == ""
    stranger.cookies.setdefault("pas.records.localhost:8080", {})["__Host-lanyard"] = "A" * 43
    assert await kept(stranger) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors"},
        {"content-type": "application/json"},
    ],
)
async def test_only_a_page_s_own_form_is_kept(house: Front, changed: dict[str, str]) -> None:
    """Not another site's form, nor a script's call: that one is told, and keeps its own text."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    answer = await tab.ask("POST", f"{PAS}/notes", {**FORM, **changed}, b"note=x")
    assert answer.status_code == 401
    assert "/.lanyard/kept" not in answer.text


async def test_one_too_large_is_told_so(house: Front) -> None:
    """And nothing of it is kept."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    answer = await tab.ask("POST", f"{PAS}/notes", FORM, b"note=" + b"x" * 65536)
    assert answer.status_code == 401
    assert "too large to be kept" in answer.text
    assert "was not sent" not in (await tab.sign_on()).text


async def test_the_journal_says_that_it_did_not_go_and_not_what_it_was(house: Front) -> None:
    """Who, where and why; no form value anywhere but sealed."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    await kept(tab)
    (event,) = [e for e in await house.events("request.rejected") if "kept" in e]
    assert (event["reason"], event["system"], event["method"]) == ("idle", "pas", "POST")
    for path in Path(house.folder / "data").rglob("*"):
        if path.is_file():
            assert b"comfortable" not in path.read_bytes(), path


async def test_the_patient_is_said_where_the_route_tells(house: Front) -> None:
    """By the same table that judges a write."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    address = await kept(tab)
    await tab.sign_on()
    page, _ = await tab.follow(address)
    assert "<dd><strong>9990001112</strong></dd>" in page.text


async def test_an_old_page_s_letters_are_read_in_its_own_charset(house: Front) -> None:
    """Windows-1252, as a page without a charset sends it; a multipart form's texts too."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    parts = b'--b\r\ncontent-disposition: form-data; name="note"\r\n\r\nfor the ward sister\r\n--b--\r\n'
    for kind, body, words in (
        ("application/x-www-form-urlencoded", b"note=Andr%E9+%96+37.2", "André – 37.2"),
        ("multipart/form-data; boundary=b", parts, "for the ward sister"),
    ):
        answer = await tab.ask("POST", f"{PAS}/notes", {**FORM, "content-type": kind}, body)
        found = re.search(r'href="(/\.lanyard/kept\?id=[0-9a-f]{32})"', answer.text)
        assert found is not None
        again = house.tab()
        await again.sign_on()
        page, _ = await again.follow(PAS + found[1])
        assert words in page.text


async def test_a_get_is_not_kept(house: Front) -> None:
    """It changes nothing and is simply asked again after sign-on."""
    tab = await at_the_pas(house)
    house.clock.step += 5 * 3600
    assert (await tab.get(f"{PAS}/notes", **NAVIGATION)).status_code == 303
