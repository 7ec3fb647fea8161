"""On and off: what a browser gets at sign-on, what it keeps, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from gateway.sessions import Sessions
from sso.testing import Reply

from .front import MAIN, NAVIGATION, PAS, Front, Tab, front
from .test_paths import REFUSED

OURS = re.compile(r"__Host-lanyard[a-z0-9-]*=[A-Za-z0-9_-]*; Path=/; Secure; HttpOnly; SameSite=Lax(; Max-Age=\d+)?")


async def signed_on(tab: Tab) -> bool:
    return (await tab.get(MAIN + "/")).status_code == 200


async def log_out(house: Front, token: str) -> int:
    body = f"logout_token={token}".encode()
    form = {"content-type": "application/x-www-form-urlencoded"}
    return (await house.tab().ask("POST", f"{MAIN}/backchannel-logout", form, body)).status_code


# On


async def test_one_sign_on_opens_the_launchpad_and_a_system(house: Front) -> None:
    """The provider is asked once; the system's host gets a cookie of its own by a code."""
    tab = house.tab()
    page = await tab.sign_on()
    assert "Your systems" in page.text
    answer, way = await tab.follow(f"{PAS}/patient?nhs=9990001112")
    assert not any(address.startswith(house.provider.issuer) for address in way)
    assert way[-2] == f"{PAS}/patient?nhs=9990001112"
    assert "Log on to Patient administration" in answer.text, "nothing is kept for her there yet"
    assert house.provider.count("/token") == 1


async def test_whoever_asks_a_system_first_comes_back_to_the_same_page(house: Front) -> None:
    """By way of the sign-on page and the provider; the page's address stays on the server meanwhile."""
    tab = house.tab()
    page, way = await tab.follow(f"{PAS}/patient?nhs=9990001112&q=a%2Fb")
    assert "<h1>Sign on</h1>" in page.text
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    _, onward = await tab.follow(f"{MAIN}/sign-on/start?next={quote(back[1].replace('&amp;', '&'))}")
    assert onward[-2] == f"{PAS}/patient?nhs=9990001112&q=a%2Fb"
    between = way[1:] + onward[:-2] + onward[-1:]  # the last asks for the log-on there
    assert not any("9990001112" in address for address in between)


@pytest.mark.parametrize("case", [case for case in REFUSED if case not in ("HTTP-172", "HTTP-173")])
async def test_an_offered_return_address_leads_to_a_page_of_ours(house: Front, case: str) -> None:
    """Through the whole sign-on, not only in the function that checks it."""
    _, way = await house.tab().follow(f"{MAIN}/sign-on/start?next={quote(REFUSED[case])}")
    assert way[-1] == MAIN + "/"


async def test_every_cookie_is_for_one_host_and_no_script(house: Front) -> None:
    """`__Host-`, Secure, HttpOnly, Lax, no Domain, over the whole way on and off (COOKIE-030)."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    await tab.post(f"{MAIN}/sign-off")
    assert len(tab.set_cookies) >= 6
    assert [line for line in tab.set_cookies if not OURS.fullmatch(line) or len(line) > 4096] == []


async def test_a_cookie_set_before_sign_on_is_not_taken_over(house: Front) -> None:
    """The value that somebody planted opens nothing afterwards (OIDC-087)."""
    tab, thief = house.tab(), house.tab()
    planted = "A" * 43
    for one in (tab, thief):
        one.cookies["records.localhost:8080"] = {"__Host-lanyard": planted}
    await tab.sign_on()
    assert tab.cookies["records.localhost:8080"]["__Host-lanyard"] != planted
    assert await signed_on(tab)
    assert not await signed_on(thief)


async def test_the_next_person_in_the_same_browser_ends_the_first_one_s_session(house: Front) -> None:
    """The first one's cookies are dead at every host, and the journal says that the user switched (OIDC-088)."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    first = {host: dict(held) for host, held in tab.cookies.items()}
    house.provider.claims = {"sub": "a.doctor", "name": "A Doctor", "roles": ["doctor"], "sid": "s-2"}
    page = await tab.sign_on()
    assert "A Doctor" in page.text
    old = house.tab()
    old.cookies = first
    assert not await signed_on(old)
    assert (await old.get(f"{PAS}/")).status_code == 303
    assert (await tab.get(f"{PAS}/")).status_code == 303, "the system's host asks anew whose it is"
    assert [e["reason"] for e in await house.events("session.revoked")] == ["user-switch"]


async def test_a_callback_is_good_once_and_in_its_own_browser(house: Front) -> None:
    """A copied address signs nobody on, neither elsewhere nor a second time; each is journalled."""
    tab, other = house.tab(), house.tab()
    start = await tab.get(f"{MAIN}/sign-on/start")
    query = (await house.provider.authorise(start.headers["location"])).decode()
    assert (await other.get(f"{MAIN}/sign-on/callback?{query}")).status_code == 403
    assert (await tab.get(f"{MAIN}/sign-on/callback?{query}")).status_code == 403
    assert not await signed_on(other)
    assert not await signed_on(tab)
    assert [e["reason"] for e in await house.events("login.failed")] == ["state-binding", "state"]


async def test_two_tabs_may_sign_on_at_the_same_time(house: Front) -> None:
    """The second sign-on under way does not spoil the first."""
    tab = house.tab()
    starts = [await tab.get(f"{MAIN}/sign-on/start") for _ in range(2)]
    for start in starts:
        query = (await house.provider.authorise(start.headers["location"])).decode()
        assert (await tab.get(f"{MAIN}/sign-on/callback?{query}")).status_code == 303
        assert await signed_on(tab)


async def test_a_second_device_joins_the_shift(house: Front) -> None:
    """One shift, two sessions, and the page says so."""
    phone, desktop = house.tab(), house.tab()
    await phone.sign_on()
    await desktop.sign_on()
    page = (await phone.get(f"{MAIN}/shift")).text
    assert page.count('<li class="tile">') == 2
    assert page.count(">this one<") == 1
    assert len(await house.events("shift.started")) == 1
    assert len(await house.events("session.seated")) == 2


# Without a session


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        (NAVIGATION, 303, ""),
        ({"accept": "text/html,*/*"}, 303, ""),
        ({"sec-fetch-dest": "iframe", "accept": "text/html"}, 401, "text/html; charset=utf-8"),
        ({"sec-fetch-dest": "frame", "accept": "text/html"}, 401, "text/html; charset=utf-8"),
        ({"sec-fetch-dest": "empty", "accept": "*/*"}, 401, "application/problem+json"),
        ({"sec-fetch-dest": "image", "accept": "image/*"}, 401, "application/problem+json"),
        ({"accept": "text/event-stream"}, 401, "application/problem+json"),
        ({"accept": "*/*", "user-agent": "GoogleHC/1.0"}, 401, "application/problem+json"),  # HTTP-118
        ({"accept": "*/*", "authorization": "Bearer x"}, 401, "application/problem+json"),  # HTTP-120
    ],
)
async def test_without_a_session_each_kind_of_request_gets_what_it_can_use(
    house: Front, headers: dict[str, str], status: int, kind: str
) -> None:
    """A navigation is sent to sign on, a frame gets a page, a script a status; the system is asked by none."""
    answer = await house.tab().ask("GET", f"{PAS}/records/123", headers)
    assert answer.status_code == status
    assert answer.headers.get("content-type", "") == kind
    assert await house.events("access.intent") == []


async def test_a_page_in_a_frame_can_be_seen_there_and_leads_out_of_it(house: Front) -> None:
    """The answer to a frame may be framed by its own origin; every other page of ours by nobody."""
    framed = await house.tab().ask("GET", f"{PAS}/menu", {"sec-fetch-dest": "frame", "accept": "text/html"})
    assert 'target="_top"' in framed.text
    assert "frame-ancestors 'self'" in framed.headers["content-security-policy"]
    page = await house.tab().get(f"{MAIN}/sign-on")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_a_failure_in_a_frame_can_be_seen_there_too(house: Front) -> None:
    """A frameset of an old system shows what went wrong, not a blank."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    framed = await tab.get(f"{PAS}/menu", **{"sec-fetch-dest": "frame", "sec-fetch-site": "same-origin"})
    assert framed.status_code == 502
    assert "frame-ancestors 'self'" in framed.headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_without_a_session_is_refused_and_not_redirected(house: Front, method: str) -> None:
    """A redirect would lose the text, or send it twice."""
    answer = await house.tab().ask(method, f"{PAS}/note", {**NAVIGATION, "sec-fetch-site": "same-origin"}, b"text=1")
    assert answer.status_code == 401
    assert "Nothing was sent" in answer.text


# Off


async def test_sign_off_visits_every_origin_and_ends_at_the_provider(house: Front) -> None:
    """Cookies are taken back by name, storage is cleared on systems' hosts only, and the provider's session ends (BR-239)."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    off = await tab.post(f"{MAIN}/sign-off")
    assert off.status_code == 303
    assert "clear-site-data" not in off.headers
    stop = await tab.get(off.headers["location"])
    assert urlsplit(off.headers["location"]).netloc == "pas.records.localhost:8080"
    assert stop.headers["clear-site-data"] == '"storage"'
    assert stop.headers["location"].startswith(f"{house.provider.issuer}/end?")
    onward = parse_qs(urlsplit(stop.headers["location"]).query)
    assert onward["post_logout_redirect_uri"] == [f"{MAIN}/signed-off"]
    assert onward["id_token_hint"][0].count(".") == 2, "so that the provider asks nobody whether they mean it"
    assert "__Host-lanyard" not in tab.cookies["records.localhost:8080"]
    assert tab.cookies["pas.records.localhost:8080"] == {}
    assert len(await house.events("shift.ended")) == 1


async def test_signing_off_one_device_leaves_the_other_signed_on(house: Front) -> None:
    """The shift ends with its last session, or when everywhere is asked for."""
    phone, desktop = house.tab(), house.tab()
    await phone.sign_on()
    await desktop.sign_on()
    off = await phone.post(f"{MAIN}/sign-off")
    assert off.headers["location"] == f"{MAIN}/signed-off"
    assert not await signed_on(phone)
    assert await signed_on(desktop)


async def test_signing_off_everywhere_ends_every_device(house: Front) -> None:
    """One POST, all sessions of the shift, at every host."""
    phone, desktop = house.tab(), house.tab()
    await phone.sign_on()
    await desktop.sign_on()
    await desktop.follow(f"{PAS}/")
    await phone.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    assert not await signed_on(desktop)
    assert (await desktop.get(f"{PAS}/")).status_code == 303


async def test_another_session_of_mine_can_be_ended_and_nobody_else_s(house: Front) -> None:
    """By its id from my shift's page; an id of another shift does nothing."""
    phone, desktop, doctor = house.tab(), house.tab(), house.tab()
    await phone.sign_on()
    await desktop.sign_on()
    house.provider.claims = {"sub": "a.doctor", "roles": ["doctor"], "sid": "s-2"}
    await doctor.sign_on()
    page = (await phone.get(f"{MAIN}/shift")).text
    theirs = next(e["session"] for e in await house.events("session.seated") if e["subject"] == "a.doctor")
    mine = re.search(r'name="session" value="([0-9a-f]+)"', page)
    assert mine is not None
    await phone.post(f"{MAIN}/shift/end", {"session": theirs})
    await phone.post(f"{MAIN}/shift/end", {"session": mine[1]})
    assert [await signed_on(tab) for tab in (phone, desktop, doctor)] == [True, False, True]


FOREIGN = {
    "OIDC-090 (an image of another site)": ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, 404),
    "OIDC-091 (another origin)": ("POST", {"origin": "https://evil.test", "accept": "text/html"}, 403),
    "a system's page (same site, another origin)": ("POST", {"sec-fetch-site": "same-site", "origin": PAS}, 403),
    "no word of where from": ("POST", {"accept": "*/*"}, 403),
    "typed, which no POST is": ("POST", {"sec-fetch-site": "none"}, 403),
}


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("path", ["/sign-off", "/shift/end"])
async def test_nobody_else_s_page_signs_anybody_off(house: Front, case: str, path: str) -> None:
    """POST, and from our own page; afterwards one is still signed on."""
    method, headers, status = FOREIGN[case]
    tab = house.tab()
    await tab.sign_on()
    assert (await tab.ask(method, MAIN + path, headers)).status_code == status
    assert await signed_on(tab)


async def test_a_link_to_a_sign_off_stop_signs_nobody_off(house: Front) -> None:
    """Without a ticket of ours the stop takes nothing back."""
    tab = house.tab()
    await tab.sign_on()
    await tab.follow(f"{PAS}/")
    stop = await tab.get(f"{PAS}/.lanyard/sign-off?ticket=x")
    assert "set-cookie" not in stop.headers
    assert "clear-site-data" not in stop.headers


async def test_sign_off_takes_no_return_address(house: Front) -> None:
    """There is no parameter to turn (HTTP-187)."""
    tab = house.tab()
    await tab.sign_on()
    off = await tab.post(f"{MAIN}/sign-off?post_logout_redirect_uri=%2f%5cevil.test")
    assert "evil" not in off.headers["location"]


# Off, by the provider


async def test_a_log_out_by_the_provider_ends_every_session_of_the_shift(house: Front) -> None:
    """By `sid`; a second use of the same token is refused and journalled (OIDC-102)."""
    tab = house.tab()
    await tab.sign_on()
    token = house.provider.logout_token()
    assert await log_out(house, token) == 200
    assert not await signed_on(tab)
    assert await log_out(house, token) == 400
    assert [e["reason"] for e in await house.events("logout.rejected")] == ["replay"]
    assert [e["reason"] for e in await house.awaited("shift.ended")] == ["provider-log-out"]


async def test_a_log_out_by_the_provider_ends_one_device_of_two(house: Front) -> None:
    """Journalled as a session's end; the second one's log-out ends the shift; each says who asked (OIDC-102)."""
    phone, desktop = house.tab(), house.tab()
    await phone.sign_on()
    house.provider.claims = {"sid": "s-2"}
    await desktop.sign_on()
    assert await log_out(house, house.provider.logout_token(sid="s-1")) == 200
    assert [await signed_on(tab) for tab in (phone, desktop)] == [False, True]
    assert await log_out(house, house.provider.logout_token(sid="s-2")) == 200
    assert not await signed_on(desktop)
    seated = [e["session"] for e in await house.events("session.seated")]
    ends = await house.events("session.revoked", "shift.ended", "logout.ok")
    assert [(e["type"], e.get("reason"), e.get("session"), e.get("by"), e.get("everywhere")) for e in ends] == [
        ("session.revoked", "provider-log-out", seated[0], None, None),
        ("logout.ok", None, None, "provider", False),
        ("shift.ended", "provider-log-out", None, None, None),
        ("logout.ok", None, None, "provider", False),
    ]


@pytest.mark.parametrize(("token", "left"), [({"sid": None}, False), ({"sid": "unheard of"}, True)])
async def test_a_log_out_without_a_session_ends_the_person_and_of_an_unknown_one_nobody(
    house: Front, token: dict[str, str | None], left: bool
) -> None:
    """The provider meant everything of the person, or something that is not ours; nobody else in either case."""
    tab, doctor = house.tab(), house.tab()
    await tab.sign_on()
    house.provider.claims = {"sub": "a.doctor", "roles": ["doctor"], "sid": "s-2"}
    await doctor.sign_on()
    assert await log_out(house, house.provider.logout_token(**token)) == 200
    assert [await signed_on(one) for one in (tab, doctor)] == [left, True]
    assert [e["everywhere"] for e in await house.events("logout.ok")] == ([] if left else [True])


BAD_TOKENS = {
    "OIDC-092": {"header": {"typ": "JWT"}},
    "OIDC-094": {"nonce": "x"},
    "OIDC-095": {"jti": None},
    "OIDC-096": {"iat": None},
    "OIDC-098": {"aud": "other"},
    "OIDC-099": {"sid": None, "sub": None},
    "OIDC-100": {"exp": 1},
}


@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_a_bad_log_out_token_ends_nothing(house: Front, case: str) -> None:
    """400, journalled, and everybody is still signed on."""
    tab = house.tab()
    await tab.sign_on()
    assert await log_out(house, house.provider.logout_token(**BAD_TOKENS[case])) == 400
    assert await log_out(house, "e30.e30.") == 400  # OIDC-101
    assert len(await house.events("logout.rejected")) == 2
    assert await signed_on(tab)


# Are the claims still true?


async def settled(tab: Tab, words: str) -> bool:
    """Whether the launchpad comes to say this; the re-check runs behind the page."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        page = await tab.get(MAIN + "/")
        if (words and words in page.text) or (not words and page.status_code == 303):
            return True
        await asyncio.sleep(0.005)
    return False


async def test_a_role_that_is_gone_at_the_provider_is_gone_here_within_five_minutes(house: Front) -> None:
    """The refresh token's answer rules: the shift that had it ends, and the next sign-on has the roles of now (OIDC-105)."""
    tab = house.tab()
    house.provider.claims = {"roles": ["nurse", "doctor"]}
    assert "doctor, nurse" in (await tab.sign_on()).text
    house.provider.claims = {"roles": ["nurse"]}
    assert "doctor, nurse" in (await tab.get(MAIN + "/")).text
    house.clock.step = 280
    assert "doctor, nurse" in (await tab.get(MAIN + "/")).text
    house.clock.step = 301
    assert await settled(tab, "")
    assert [e["reason"] for e in await house.awaited("shift.ended")] == ["role-changed"]


async def test_a_role_that_changed_ends_the_shift_at_every_gateway(house: Front) -> None:
    """Another one on the same store, where the session is just as active, refuses it within a second of the re-check here (OIDC-107)."""
    async with house.store(shared=False) as store:
        there, host = Sessions(store, house.clock, longest=43200.0), urlsplit(MAIN).netloc
        tab = house.tab()
        house.provider.claims = {"roles": ["nurse", "doctor"]}
        await tab.sign_on()
        token = tab.cookies[host]["__Host-lanyard"].encode()
        house.provider.claims = {"roles": ["nurse"]}
        house.clock.step = 280
        await tab.get(MAIN + "/")
        theirs = await there.seated(token, host)
        assert theirs is not None
        house.clock.step = 301
        assert await settled(tab, "")
        assert await house.awaited("shift.ended")  # so it is written down
        there.touch(theirs)
        house.clock.step += 0.9
        assert await there.seated(token, host) is None


async def test_an_account_that_has_ended_at_the_provider_ends_the_shift(house: Front) -> None:
    """A refused refresh token is an end, not an outage."""
    tab = house.tab()
    await tab.sign_on()
    house.provider.replies["/token"] = Reply.json({"error": "invalid_grant"}, 400)
    house.clock.step = 280
    await tab.get(MAIN + "/")
    house.clock.step = 301
    assert await settled(tab, "")


async def test_a_provider_that_is_away_stops_nobody_until_the_grace_is_over(tmp_path: Path) -> None:
    """The shift goes on, flagged on the page; when `grace` is over, it ends."""
    async with front(tmp_path, shift={"grace": "20m"}) as house:
        tab = house.tab()
        await tab.sign_on()
        house.provider.replies["/token"] = Reply(503)
        house.clock.step = 290
        await tab.get(MAIN + "/")
        house.clock.step = 310
        assert await settled(tab, "The sign-on service does not answer")
        for minute in range(9, 20, 4):
            house.clock.step = minute * 60
            assert await signed_on(tab)
        house.clock.step = 21 * 60
        assert not await signed_on(tab)
        assert [e["reason"] for e in await house.awaited("shift.ended")] == ["provider-away"]


async def silent_check(house: Front, tab: Tab) -> str:
    """Where a browser is sent for a silent check, its shift having no refresh token."""
    house.clock.step = 280
    await tab.get(MAIN + "/")
    house.clock.step = 301
    away = (await tab.get(MAIN + "/shift")).headers["location"]
    assert "prompt=none" in away
    return str(away)


async def test_without_a_refresh_token_the_next_page_asks_the_provider_silently(house: Front) -> None:
    """The clinician comes back to the page that was asked for, with the same cookie."""
    tab = house.tab()
    house.provider.answer = {"refresh_token": None}
    await tab.sign_on()
    cookie = tab.cookies["records.localhost:8080"]["__Host-lanyard"]
    _, way = await tab.follow(await silent_check(house, tab))
    assert way[-1] == f"{MAIN}/shift"
    assert tab.cookies["records.localhost:8080"]["__Host-lanyard"] == cookie
    assert len(await house.events("shift.renewed")) == 1
    assert len(await house.events("login.ok")) == 1


async def test_a_silent_check_signs_nobody_on_again_after_sign_off(house: Front) -> None:
    """Signed off in another tab meanwhile: the answer that comes late seats nobody."""
    tab = house.tab()
    house.provider.answer = {"refresh_token": None}
    await tab.sign_on()
    away = await silent_check(house, tab)
    await tab.post(f"{MAIN}/sign-off")
    page, _ = await tab.follow(away)
    assert "<h1>Sign on</h1>" in page.text
    assert not await signed_on(tab)


async def test_a_silent_check_of_one_person_never_becomes_the_next_person_s(house: Front) -> None:
    """Somebody else has signed on in this browser meanwhile: the late answer changes nothing of theirs."""
    tab = house.tab()
    house.provider.answer = {"refresh_token": None}
    await tab.sign_on()
    away = await silent_check(house, tab)
    house.provider.claims = {"sub": "a.doctor", "name": "A Doctor", "roles": ["doctor"], "sid": "s-2"}
    await tab.sign_on()
    house.provider.claims = {}
    await tab.follow(away)
    page = await tab.get(MAIN + "/")
    assert "A Doctor" in page.text
    assert "N Okoye" not in page.text
    assert await house.events("shift.renewed") == []


async def test_a_silent_check_that_finds_another_role_ends_the_shift(house: Front) -> None:
    """A role is chosen at sign-on, never slipped in behind it."""
    tab = house.tab()
    house.provider.answer = {"refresh_token": None}
    await tab.sign_on()
    away = await silent_check(house, tab)
    house.provider.claims = {"roles": ["doctor"]}
    await tab.follow(away)
    assert not await signed_on(tab)
    assert [e["reason"] for e in await house.awaited("shift.ended")] == ["role-changed"]
