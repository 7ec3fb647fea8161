"""A device that nobody is signed on at joins a shift: through the pages, and whatever else is tried."""

from __future__ import annotations

import re

import httpx2
import pytest

from policies.model import Ownership
from sso.device import Invitation
from sso.passkey import Passkey, written
from sso.session import token_hash
from sso.testing import Reply

from .front import MAIN, PAS, Front, Tab

WRONG = {
    "sec-fetch-dest": "document",
    "sec-fetch-mode": "navigate",
    "accept": "text/html",
    "sec-fetch-site": "cross-site",
}


NUMBER = re.compile(r'aria-label="Number">(\d+)<')


async def asked(phone: Tab) -> str:
    """The code that the new device shows."""
    page = await phone.post(f"{MAIN}/handoff", await phone.proof("hand-off"))
    assert page.status_code == 200
    found = re.search(r'aria-label="Code">([^<]+)<', page.text)
    assert found is not None
    return found[1]


async def said_yes(desk: Tab, code: str, **more: str) -> httpx2.Response:
    proof = await desk.proof("hand-off")
    return await desk.post(f"{MAIN}/handoff/confirm", {"code": code, "answer": "yes", **proof, **more})


async def taken(phone: Tab, number: str) -> httpx2.Response:
    return await phone.post(f"{MAIN}/handoff/take", {"number": number, **await phone.proof("hand-off")})


async def number_of(desk: Tab, code: str) -> str:
    """The number that the signed-on device shows after yes."""
    looked = await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert "Is this your device?" in looked.text
    page = await said_yes(desk, code)
    found = NUMBER.search(page.text)
    assert found is not None, page.text
    return found[1]


async def test_a_phone_joins_the_shift_without_a_password(house: Front) -> None:
    """Its own session in the same shift; the provider is not asked; three events say how."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    tokens = house.provider.count("/token")
    number = await number_of(desk, await asked(phone))
    assert (await phone.get(f"{MAIN}/handoff/waiting")).json() == {"answered": True}
    assert "joins the shift of" in (await phone.get(f"{MAIN}/handoff/answer")).text
    seated = await phone.post(f"{MAIN}/handoff/take", {"number": number})
    assert seated.headers["location"] == "/"
    assert "Your systems" in (await phone.get(MAIN + "/")).text
    assert "Your systems" in (await desk.get(MAIN + "/")).text
    assert house.provider.count("/token") == tokens
    (asking,), (accepted,) = await house.events("handoff.asked"), await house.events("handoff.accepted")
    first, second = await house.events("session.seated")
    assert asking["shift"] == accepted["shift"] == first["shift"] == second["shift"]
    assert accepted["seated"] == second["session"] != first["session"]
    assert second["by"] == "handoff"


async def test_the_new_device_enters_systems_with_a_log_on_of_its_own(house: Front) -> None:
    """The system's host asks the main host for a code, as for any session."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    await phone.post(f"{MAIN}/handoff/take", {"number": await number_of(desk, await asked(phone))})
    _, way = await phone.follow(f"{PAS}/")
    assert f"{PAS}/" in way[1:], "seated there too, and then asked for a log-on at the system"


async def test_a_wrong_number_ends_it(house: Front) -> None:
    """There is no second guess; the right number does not help afterwards."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    number = await number_of(desk, await asked(phone))
    wrong = f"{(int(number) + 1) % 1000:03d}"
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": wrong})).status_code == 403
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": number})).status_code == 403
    assert (await phone.get(MAIN + "/")).status_code == 303
    (refused,) = await house.events("handoff.refused")
    assert refused["reason"] == "wrong-number"


async def test_another_browser_cannot_take_what_was_given(house: Front) -> None:
    """Not with the number, and not with a code of its own beside it."""
    desk, phone, thief = house.tab(), house.tab(), house.tab()
    await desk.sign_on()
    await asked(thief)
    number = await number_of(desk, await asked(phone))
    assert (await thief.post(f"{MAIN}/handoff/take", {"number": number})).status_code == 403
    assert (await house.tab().post(f"{MAIN}/handoff/take", {"number": number})).status_code == 403
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": number})).headers["location"] == "/"


async def test_a_code_is_good_once_and_for_a_minute(house: Front) -> None:
    """A second clinician who types it, or the same one later, is told to ask for a new one."""
    desk, other, phone = house.tab(), house.tab(), house.tab()
    await desk.sign_on()
    await other.sign_on()
    code = await asked(phone)
    assert (await desk.post(f"{MAIN}/handoff/look", {"code": code})).status_code == 200
    assert (await other.post(f"{MAIN}/handoff/look", {"code": code})).status_code == 422
    late = await asked(phone)
    house.clock.step += 61
    assert (await desk.post(f"{MAIN}/handoff/look", {"code": late})).status_code == 422


async def test_what_one_clinician_looked_at_another_cannot_confirm(house: Front) -> None:
    """The code belongs to the shift that typed it."""
    desk, doctor, phone = house.tab(), house.tab(), house.tab()
    await desk.sign_on()
    house.provider.claims = house.provider.claims | {"sub": "somebody-else", "roles": ["doctor"]}
    await doctor.sign_on()
    code = await asked(phone)
    await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert (await doctor.post(f"{MAIN}/handoff/confirm", {"code": code, "answer": "yes"})).status_code == 403
    assert (await phone.get(f"{MAIN}/handoff/waiting")).json() == {"answered": False}


async def test_no_is_told_to_the_device_that_asked(house: Front) -> None:
    """And journalled, with where it came from."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    code = await asked(phone)
    await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert "Refused" in (await desk.post(f"{MAIN}/handoff/confirm", {"code": code, "answer": "no"})).text
    assert (await phone.get(f"{MAIN}/handoff/answer")).status_code == 403
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": ""})).status_code == 403
    (refused,) = await house.events("handoff.refused")
    assert refused["reason"] == "not-my-device"


async def test_yes_needs_a_fresh_proof(house: Front) -> None:
    """Later than five minutes after the last one the provider asks again, and the same question comes back."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    house.clock.step += 240
    await desk.get(MAIN + "/")
    house.clock.step += 61
    code = await asked(phone)
    looked = await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert "prove that it is me" in looked.text
    sent = await desk.post(f"{MAIN}/handoff/confirm", {"code": code, "answer": "yes"})
    assert "prompt=login" in sent.headers["location"]
    _, way = await desk.follow(sent.headers["location"])
    assert way[-1] == f"{MAIN}/handoff/claimed?code={code.replace(' ', '')}"
    assert (await phone.get(f"{MAIN}/handoff/waiting")).json() == {"answered": False}


async def with_pin(house: Front) -> Tab:
    """Signed on six minutes ago on an enrolled device, with a PIN."""
    desk = house.tab()
    await desk.enrol()
    await desk.sign_on()
    await desk.post(f"{MAIN}/shift/pin", {"pin": "739154", "again": "739154", **await desk.proof("unlock")})
    for _ in range(2):
        house.clock.step += 200
        await desk.get(MAIN + "/")
    return desk


async def test_yes_by_pin_on_an_enrolled_device(house: Front) -> None:
    """Whoever signed on a while ago proves it by PIN, while the provider is away; a wrong one says so and hands nothing over."""
    desk, phone = await with_pin(house), house.tab()
    house.provider.replies["/token"] = Reply(503)
    code = await asked(phone)
    assert 'name="pin"' in (await desk.post(f"{MAIN}/handoff/look", {"code": code})).text
    wrong = await said_yes(desk, code, pin="111222")
    assert (wrong.status_code, "not your PIN" in wrong.text) == (403, True)
    assert (await phone.get(f"{MAIN}/handoff/waiting")).json() == {"answered": False}
    right = await said_yes(desk, code, pin="739154")
    found = NUMBER.search(right.text)
    assert found is not None
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": found[1]})).headers["location"] == "/"


async def test_five_wrong_pins_end_the_session_here_too(house: Front) -> None:
    """The count is that of unlocking: nobody gets five more by way of a hand-off."""
    desk, phone = await with_pin(house), house.tab()
    code = await asked(phone)
    await desk.post(f"{MAIN}/handoff/look", {"code": code})
    said = [await said_yes(desk, code, pin="111222") for _ in range(5)]
    assert [answer.status_code for answer in said] == [403] * 4 + [303]
    assert (await desk.get(MAIN + "/")).headers["location"] == "/sign-on"


async def test_when_the_giver_signs_off_nothing_is_handed_over(house: Front) -> None:
    """The shift that would be joined is over."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    number = await number_of(desk, await asked(phone))
    await desk.post(f"{MAIN}/sign-off")
    assert (await phone.post(f"{MAIN}/handoff/take", {"number": number})).status_code == 403


async def test_whoever_guesses_codes_is_stopped(house: Front) -> None:
    """Ten a minute for a session, and twelve codes a minute for an address, at each gateway."""
    desk, gateways = house.tab(), 1 + len(house.others)
    await desk.sign_on()
    looks, asks = 10 * gateways, 12 * gateways
    tries = [(await desk.post(f"{MAIN}/handoff/look", {"code": "BCDF2345"})).status_code for _ in range(looks + 1)]
    assert tries == [422] * looks + [429]
    got = [(await house.tab().post(f"{MAIN}/handoff")).status_code for _ in range(asks + 1)]
    assert got == [200] * asks + [429]


@pytest.mark.parametrize("path", ["", "/take", "/look", "/confirm"])
async def test_another_site_s_form_does_nothing(house: Front, path: str) -> None:
    """Each step comes from our own page."""
    desk = house.tab()
    await desk.sign_on()
    assert (await desk.post(f"{MAIN}/handoff{path}", {"code": "BCDF2345", "number": "1"}, **WRONG)).status_code == 403


async def test_somebody_who_is_not_signed_on_comes_back_with_the_scanned_code(house: Front) -> None:
    """By way of the sign-on page, as from any address of ours."""
    answer = await house.tab().get(f"{MAIN}/handoff/give?code=BCDF2345")
    assert answer.headers["location"] == "/sign-on?next=/handoff/give?code=BCDF2345"


# The devices at both ends


async def test_an_enrolled_device_joins_as_what_it_is(house: Front) -> None:
    """It proves its key when it asks and when it is seated; whoever says yes reads its name."""
    desk, cart = house.tab(), house.tab()
    device = await cart.enrol(Invitation("Ward 7 trolley", "Ward 7", Ownership.SHARED))
    await desk.sign_on()
    code = await asked(cart)
    looked = await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert ("Ward 7 trolley" in looked.text, "not known to us" in looked.text) == (True, False)
    number = NUMBER.search((await said_yes(desk, code)).text)
    assert number is not None
    assert (await taken(cart, number[1])).headers["location"] == "/"
    seated = (await house.events("session.seated"))[-1]
    assert (seated["device_id"], seated["device_name"], seated["by"]) == (device, "Ward 7 trolley", "handoff")


async def test_copied_cookies_of_the_asking_device_take_nothing(house: Front) -> None:
    """Not without its key, not with another device's; nothing is used up, and the device itself is seated."""
    desk, cart, thief = house.tab(), house.tab(), house.tab()
    await cart.enrol()
    await desk.sign_on()
    number = await number_of(desk, await asked(cart))
    thief.cookies = {host: dict(jar) for host, jar in cart.cookies.items()}
    assert "This is another device" in (await taken(thief, number)).text
    await thief.enrol()
    assert "This is another device" in (await taken(thief, number)).text
    thief.device = cart.device
    assert (await taken(thief, number)).headers["location"] == "/sign-on?device=device-signature"
    assert len(await house.events("session.seated")) == 1
    assert (await taken(cart, number)).headers["location"] == "/"


async def test_a_yes_comes_from_the_device_that_the_session_is_on(house: Front) -> None:
    """A copied cookie with a proof of the last minutes hands nothing over; no needs no proof."""
    desk, phone, thief = house.tab(), house.tab(), house.tab()
    await desk.enrol()
    await desk.sign_on()
    thief.cookies = {host: dict(jar) for host, jar in desk.cookies.items()}
    code = await asked(phone)
    await thief.post(f"{MAIN}/handoff/look", {"code": code})
    refused = await said_yes(thief, code)
    assert (refused.status_code, "did not show that it is Ward 7 PC 3" in refused.text) == (403, True)
    assert (await phone.get(f"{MAIN}/handoff/waiting")).json() == {"answered": False}
    assert [e["reason"] for e in await house.events("handoff.refused")] == ["device-unproved"]
    assert NUMBER.search((await said_yes(desk, code)).text) is not None


async def test_a_proof_of_unlocking_is_none_for_a_hand_off(house: Front) -> None:
    """Each thing that a device proves itself for is its own."""
    desk, cart = house.tab(), house.tab()
    await cart.enrol()
    await desk.sign_on()
    asks = await cart.post(f"{MAIN}/handoff", await cart.proof("unlock"))
    assert asks.headers["location"] == "/sign-on?device=device-purpose"


async def test_whoever_lost_the_key_says_yes_by_signing_on(house: Front) -> None:
    """On what is then an unknown device, with the same question before them."""
    desk, phone = house.tab(), house.tab()
    await desk.enrol()
    await desk.sign_on()
    desk.key = None
    code = await asked(phone)
    await desk.post(f"{MAIN}/handoff/look", {"code": code})
    assert "sign on here again" in (await said_yes(desk, code)).text
    leaving = await desk.post(f"{MAIN}/handoff/confirm", {"code": code, "answer": "sign-on"})
    page, _ = await desk.follow(leaving.headers["location"])
    assert "Is this your device?" in page.text
    assert (await house.events("session.seated"))[-1]["device_id"] == ""
    assert NUMBER.search((await said_yes(desk, code)).text) is not None


async def test_an_old_proof_is_made_fresh_by_passkey_or_by_signing_on(house: Front) -> None:
    """Whoever has a passkey is offered it, and whoever has none is at the provider at once; both come back to the question."""
    desk, phone = house.tab(), house.tab()
    await desk.sign_on()
    token = desk.cookies["records.localhost:8080"]["__Host-lanyard"].encode()
    async with house.store() as store:
        found = await store.by_token(token_hash(token))
        assert found is not None
        found.session.idle = 3600.0
        await store.put_session(found.session)
    house.clock.step += 310
    for offered in (False, True):
        code = await asked(phone)
        await desk.post(f"{MAIN}/handoff/look", {"code": code})
        leaving = await said_yes(desk, code)
        assert leaving.headers["location"].startswith("/step-up?ticket=") is offered
        if offered:
            assert "data-passkey" in (await desk.get(MAIN + leaving.headers["location"])).text
        made = Passkey(b"a-passkey", b"its key", 0)
        async with house.store() as store:
            await store.put_factor(
                found.shift.principal.issuer, found.shift.principal.subject, "passkey", written([made])
            )


# Back at a desk that was left to somebody else


async def left_to_the_doctor(house: Front) -> tuple[Tab, Tab]:
    """A ward PC that a nurse was switched from at her page, and a doctor after her; and her phone, which is in her shift."""
    desk, phone = house.tab(), house.tab()
    await desk.enrol()
    await desk.sign_on()
    await taken(phone, await number_of(desk, await asked(phone)))
    await desk.follow((await desk.post(f"{MAIN}/switch", {"next": "/shift"})).headers["location"])
    nurse = house.provider.claims
    house.provider.claims = {**nurse, "sub": "l.adler", "name": "L Adler", "sid": "s-adler"}
    await desk.sign_on()
    await desk.follow((await desk.post(f"{MAIN}/switch")).headers["location"])
    house.provider.claims = nurse
    return desk, phone


async def test_a_hand_off_brings_its_clinician_back_to_the_page_that_was_left(house: Front) -> None:
    """In the session that a switch left there, without a password; the doctor's stays locked."""
    desk, phone = await left_to_the_doctor(house)
    tokens = house.provider.count("/token")
    seated = await taken(desk, await number_of(phone, await asked(desk)))
    assert seated.headers["location"] == f"{MAIN}/shift"
    assert "<h1>My shift</h1>" in (await desk.get(f"{MAIN}/shift")).text
    assert house.provider.count("/token") == tokens
    first = (await house.events("session.seated"))[0]
    assert [e["session"] for e in await house.events("session.unlocked")] == [first["session"]]
    assert (await house.events("handoff.accepted"))[-1]["seated"] == first["session"]
    assert len(await house.events("session.seated")) == 3


async def test_the_mark_of_another_browser_takes_no_session_up(house: Front) -> None:
    """Whoever copied it joins with a new session on an unknown device; what was left stays locked at its PC."""
    desk, phone = await left_to_the_doctor(house)
    elsewhere = house.tab()
    elsewhere.cookies = {host: dict(jar) for host, jar in desk.cookies.items()}
    seated = await taken(elsewhere, await number_of(phone, await asked(elsewhere)))
    assert seated.headers["location"] == "/"
    assert (await house.events("session.seated"))[-1]["device_id"] == ""
    assert await house.events("session.unlocked") == []


async def test_after_somebody_else_only_pages_of_the_own_session_send_forms(house: Front) -> None:
    """A page that the doctor left open at the desk writes nothing in the name of whoever joins there by hand-off."""
    desk, phone = house.tab(), house.tab()
    await phone.sign_on()
    nurse = house.provider.claims
    house.provider.claims = {**nurse, "sub": "l.adler", "name": "L Adler", "sid": "s-adler"}
    await desk.sign_on()
    await desk.follow((await desk.post(f"{MAIN}/switch")).headers["location"])
    house.provider.claims = nurse
    await taken(desk, await number_of(phone, await asked(desk)))
    joined = (await house.events("handoff.accepted"))[-1]["seated"]
    async with house.store() as store:
        session = await store.session(joined)
    assert session is not None
    assert session.follows


async def test_whoever_is_signed_on_there_is_replaced_and_it_is_written_down(house: Front) -> None:
    """Somebody else's live session ends when the browser is brought into another's shift."""
    desk, phone = house.tab(), house.tab()
    await phone.sign_on()
    nurse = house.provider.claims
    house.provider.claims = {**nurse, "sub": "l.adler", "name": "L Adler", "sid": "s-adler"}
    await desk.sign_on()
    house.provider.claims = nurse
    await taken(desk, await number_of(phone, await asked(desk)))
    (revoked,) = await house.events("session.revoked")
    assert (revoked["reason"], revoked["subject"]) == ("user-switch", "l.adler")
    assert "N Okoye" in (await desk.get(MAIN + "/")).text
