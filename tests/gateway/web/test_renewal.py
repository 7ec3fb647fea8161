"""A cookie at a system's host lives for five minutes: who gets the next one, and what becomes of a request that comes between."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from gateway.kept import CLICK, GOES_ON, LARGEST
from gateway.sessions import HOST_LIFE

from .front import API, MAIN, NAVIGATION, OWN_FORM, PAS, Front, Tab, front
from .test_devices import enrolled, proof, signed_on

NOTES = f"{PAS}/notes?nhs=9990001112"
FORM = {**OWN_FORM, "referer": NOTES}
FRAME = {**NAVIGATION, "sec-fetch-dest": "iframe", "sec-fetch-site": "same-origin"}
SCRIPT = {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}
NOBODY_LISTENS = 502  # behind the gateway here: a form that gets so far was let through
HOST = "pas.records.localhost:8080"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with front(tmp_path, shift={"idle": {"shared": "2h"}}, sso={"recheck": "1h"}) as running:
        running.provider.claims = {"amr": ["pwd", "mfa"], "acr": "aal2"}
        yield running


async def at_the_pas(house: Front) -> Tab:
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    return tab


async def at_the_pas_on_a_device(house: Front) -> tuple[Tab, dict[str, str]]:
    """And the ticket with which its next cookie is asked for."""
    tab = house.tab()
    device, key = await enrolled(tab)
    await signed_on(tab, await proof(tab, device, key))
    away = await tab.get(f"{PAS}/")
    ticket = away.headers["location"].partition("ticket=")[2]
    return tab, {"ticket": ticket, **await proof(tab, device, key, "renew")}


async def proved(tab: Tab, sent: dict[str, str]) -> str:
    """Where the page's script is told to go."""
    return str((await tab.sent("/enter", sent)).json()["to"])


def let_in(answer: httpx2.Response) -> bool:
    """A page of the system: where nobody's log-on is known yet, it is asked for."""
    return answer.headers.get("location", "").startswith(f"{MAIN}/vault/pas?page=")


async def state(tab: Tab) -> httpx2.Response:
    return await tab.ask("GET", f"{PAS}/.lanyard/state", SCRIPT)


async def test_a_cookie_is_renewed_by_way_of_the_main_host_and_nobody_is_asked(house: Front) -> None:
    """After five minutes the next page comes by a bounce, with another cookie; the one before stays worthless."""
    tab = await at_the_pas(house)
    before = tab.cookies[HOST]["__Host-lanyard"]
    house.clock.step += HOST_LIFE + 1
    _, way = await tab.follow(f"{PAS}/list?a=%2F")
    assert way[3:] == [f"{PAS}/list?a=%2F", way[4]]
    assert way[4].startswith(f"{MAIN}/vault/pas?page=")
    assert [url.partition("?")[0] for url in way[:4]] == [
        f"{PAS}/list",
        f"{MAIN}/enter",
        f"{PAS}/.lanyard/enter",
        f"{PAS}/list",
    ]
    after = tab.cookies[HOST]["__Host-lanyard"]
    assert after != before
    tab.cookies[HOST]["__Host-lanyard"] = before
    assert (await tab.get(f"{PAS}/list")).status_code == 303
    assert len(await house.events("session.seated")) == 1


async def test_a_copied_cookie_dies_within_five_minutes(house: Front) -> None:
    """Somebody else's browser with that cookie alone is sent to sign on."""
    tab, thief = await at_the_pas(house), house.tab()
    thief.cookies[HOST] = dict(tab.cookies[HOST])
    assert let_in(await thief.get(f"{PAS}/list"))
    house.clock.step += HOST_LIFE + 1
    page, _ = await thief.follow(f"{PAS}/list")
    assert "<h1>Sign on</h1>" in page.text
    await tab.follow(f"{PAS}/list")
    assert let_in(await tab.get(f"{PAS}/list"))


async def test_every_cookie_of_an_enrolled_device_is_worth_five_minutes(house: Front) -> None:
    """Whoever has copied them all cannot prove the device: no system is entered, and the reason is said."""
    tab, sent = await at_the_pas_on_a_device(house)
    await tab.follow(await proved(tab, sent))
    thief = house.tab()
    thief.cookies = {host: dict(jar) for host, jar in tab.cookies.items()}
    assert let_in(await thief.get(f"{PAS}/list"))
    house.clock.step += HOST_LIFE + 1
    page, way = await thief.follow(f"{PAS}/list")
    assert "still <strong>Ward 7 PC 3</strong>" in page.text
    ticket = way[-1].partition("ticket=")[2]
    refused = await proved(thief, {"ticket": ticket})
    assert refused.endswith("&device=device-unproved")
    assert "could not show that it is the one" in (await thief.get(MAIN + refused)).text
    assert (await thief.get(f"{PAS}/list")).status_code == 303


async def test_a_device_s_own_proof_is_the_way_in(house: Front) -> None:
    """One made for renewing, once; for another thing, or the second time, it is none."""
    tab, sent = await at_the_pas_on_a_device(house)
    assert (await proved(tab, sent)).startswith(f"{PAS}/.lanyard/enter?code=")
    assert (await proved(tab, sent)).endswith("&device=device-replayed")
    device, key = await enrolled(house.tab())
    for purpose, reason in (("sign-on", "device-purpose"), ("renew", "device-unproved")):
        other = {"ticket": sent["ticket"], **await proof(tab, device, key, purpose)}
        assert (await proved(tab, other)).endswith(f"&device={reason}"), "the second is another device's"


async def test_a_form_at_that_moment_goes_on_by_itself_once(house: Front) -> None:
    """It is held while the cookie is renewed, and sent to where it was meant for, as it was; a second click sends nothing."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    away = await tab.post(NOTES, {"note": "seen at 14:10"}, **FORM)
    page, _ = await tab.follow(away.headers["location"])
    assert "data-at-once" in page.text
    assert 'action="/notes?nhs=9990001112"' in page.text
    held = re.search(r'name="lanyard-kept" value="([0-9a-f]{32})"', page.text)
    assert held is not None
    click = f"lanyard-kept={held[1]}\r\n".encode()
    assert len(click) == CLICK
    plain = {**OWN_FORM, "content-type": "text/plain"}
    assert (await tab.ask("POST", NOTES, {**plain, "sec-fetch-site": "cross-site"}, click)).status_code == 403
    assert (await tab.ask("POST", f"{PAS}/notes?nhs=9990001120", plain, click)).status_code == 303
    assert (await tab.ask("POST", NOTES, plain, click)).status_code == NOBODY_LISTENS
    assert (await tab.ask("POST", NOTES, plain, click)).status_code == 303
    intents = [e for e in await house.events("access.intent") if e["method"] == "POST"]
    assert [(e["route"], e["patients"]) for e in intents] == [("note", [["system:pas", "9990001112"]])]
    assert [e["reason"] for e in await house.events("request.rejected") if "kept" in e] == ["renewal"]


async def test_a_form_that_was_long_on_its_way_goes_on_by_hand_only(house: Front) -> None:
    """Whoever comes back after a minute sees what it is, and to whom it goes, before it goes."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    away = await tab.post(NOTES, {"note": "seen at 14:10"}, **FORM)
    house.clock.step += GOES_ON + 1
    page, _ = await tab.follow(away.headers["location"])
    assert "data-at-once" not in page.text
    assert "Send it now" in page.text
    assert "9990001112" in page.text


async def test_one_too_large_to_be_held_is_not_sent_and_its_page_is_in_order_again(house: Front) -> None:
    """The answer says so, and renews the cookie in a frame: going back and sending it again is enough."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    answer = await tab.ask(
        "POST", NOTES, {**FORM, "content-type": "application/x-www-form-urlencoded"}, b"n=" + b"x" * LARGEST
    )
    assert answer.status_code == 401
    assert "too large to be held" in answer.text
    assert '<iframe src="/.lanyard/renew"' in answer.text
    assert f"frame-src 'self' {MAIN}" in answer.headers["content-security-policy"]
    await tab.follow(f"{PAS}/.lanyard/renew")
    assert (await tab.post(NOTES, {"note": "again"}, **FORM)).status_code == NOBODY_LISTENS


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_script_s_call_is_told(house: Front, method: str) -> None:
    """A 401 that says what is missing: the session is there, and nothing was sent."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    answer = await tab.ask(method, f"{PAS}/notes", {**SCRIPT, "content-type": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:lanyard:renewal"
    assert len(await house.events("access.intent")) == 1, "the first page's"


async def test_a_frame_renews_without_a_page(house: Front) -> None:
    """The guard script's, and an old frameset's own: by way of the main host, which asks nobody there."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    for start in ("/.lanyard/renew", "/menu"):
        url, before = f"{PAS}{start}", tab.cookies[HOST].get("__Host-lanyard")
        tab.cookies[HOST]["__Host-lanyard"] = before or ""
        for _ in range(3):
            answer = await tab.ask("GET", url, FRAME)
            url = answer.headers["location"]
        assert tab.cookies[HOST]["__Host-lanyard"] != before
        house.clock.step += HOST_LIFE + 1
    done = await tab.get(f"{PAS}/.lanyard/renewed")
    assert "frame-ancestors 'self'" in done.headers["content-security-policy"]


async def test_the_page_in_which_a_device_proves_itself_may_be_framed_by_systems_only(house: Front) -> None:
    """It shows nothing and takes no click; no other site has a use for it, and may not have it."""
    tab, sent = await at_the_pas_on_a_device(house)
    page = await tab.ask("GET", f"{MAIN}/enter?ticket={sent['ticket']}", {**FRAME, "sec-fetch-site": "same-site"})
    policy = page.headers["content-security-policy"]
    assert f"frame-ancestors {API} {PAS};" in policy
    home = await tab.get(MAIN + "/")
    assert "frame-ancestors 'none'" in home.headers["content-security-policy"]


async def test_whoever_is_signed_off_is_not_led_to_the_provider_in_a_frame(house: Front) -> None:
    """A hidden frame shows nobody a password field: it is told, and the page covers itself."""
    tab = await at_the_pas(house)
    await tab.post(f"{MAIN}/sign-off", {})
    answer = await tab.ask("GET", f"{MAIN}/enter?ticket=abc", FRAME)
    assert answer.status_code == 401


async def test_the_state_says_when_to_renew_and_a_lapsed_cookie_counts_no_activity(house: Front) -> None:
    """The script may still ask who is here; what a copied cookie does keeps nobody's session awake."""
    tab = await at_the_pas(house)
    assert 295 <= (await state(tab)).json()["renews_in"] <= HOST_LIFE
    house.clock.step += HOST_LIFE + 1
    said = (await state(tab)).json()
    assert (said["renews_in"], said["locked"]) == (0, False)
    active = await tab.ask("POST", f"{PAS}/.lanyard/active", SCRIPT)
    assert active.json()["locks_in"] <= said["locks_in"]


async def test_two_frames_that_renew_at_once_do_not_lead_each_other_astray(house: Front) -> None:
    """The second one's code finds the first one's cookie, and comes to its own page."""
    tab = await at_the_pas(house)
    house.clock.step += HOST_LIFE + 1
    codes = []
    for page in ("one", "two"):
        away = await tab.get(f"{PAS}/{page}")
        codes.append((await tab.get(away.headers["location"])).headers["location"])
    landed = [(await tab.get(code)).headers["location"] for code in codes]
    assert landed == [f"{PAS}/one", f"{PAS}/two"]


async def test_a_lapsed_cookie_of_a_locked_session_leads_to_unlocking(house: Front) -> None:
    """Locked comes first: nothing is renewed for whoever has not unlocked."""
    tab = await at_the_pas(house)
    await tab.post(f"{MAIN}/lock", {})
    house.clock.step += HOST_LIFE + 1
    page, _ = await tab.follow(f"{PAS}/list")
    assert "<h1>Locked</h1>" in page.text
    assert (await state(tab)).json()["locked"] is True


async def test_a_system_s_own_text_of_that_length_passes_as_it_is(house: Front) -> None:
    """Only a form by which a kept write is sent is ours."""
    tab = await at_the_pas(house)
    text = {**OWN_FORM, "content-type": "text/plain"}
    answer = await tab.ask("POST", NOTES, text, b"x" * CLICK)
    assert answer.status_code == NOBODY_LISTENS
    assert len([e for e in await house.events("access.intent") if e["method"] == "POST"]) == 1
