"""Devices at the gateway: enrolled by link or as one's own, proved at sign-on, revoked, and never by a cookie."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.stores.sqlite import SqliteStore
from policies.model import Ownership
from sso.device import INVITATION_LIFE, Certificate, Enrolment, Invitation
from sso.errors import StoreUnavailable
from sso.seal import Seal
from sso.testing import BrowserKey

from .front import MAIN, NAVIGATION, OWN_FORM, PC, SCRIPT, Front, Tab, front

KIOSK = Certificate("CN=Trust CA,O=Example Trust", "CN=kiosk-12,O=Example Trust")
PROXY = "127.0.0.1"  # the address that tabs come from


@pytest.fixture
async def store(house: Front) -> AsyncIterator[SqliteStore]:
    """As another process, such as the command line, has it."""
    async with house.store() as opened:
        yield opened


async def enrolled(tab: Tab, invitation: Invitation = PC) -> tuple[str, BrowserKey]:
    """By link, in this tab: the device's id and its key."""
    await tab.enrol(invitation)
    assert tab.key is not None
    return tab.device, tab.key


async def proof(tab: Tab, device: str, key: BrowserKey, purpose: str = "sign-on") -> dict[str, str]:
    """The fields that the script adds to the sign-on form."""
    challenge = (await tab.sent("/device/challenge", {"device": device, "purpose": purpose})).json()["challenge"]
    made = key.proof(MAIN, purpose, device, challenge)
    return {"device": made.device, "challenge": made.challenge, "signature": made.signature}


async def begun(tab: Tab, fields: dict[str, str]) -> httpx2.Response:
    return await tab.post(f"{MAIN}/sign-on/start", fields)


async def signed_on(tab: Tab, fields: dict[str, str]) -> httpx2.Response:
    start = await begun(tab, fields)
    assert start.status_code == 303, start.text
    return (await tab.follow(start.headers["location"]))[0]


async def seated(house: Front) -> dict[str, Any]:
    return (await house.events("session.seated"))[-1]


async def test_a_link_shows_what_the_device_will_be_and_stays_good(house: Front, store: SqliteStore) -> None:
    """Looking uses nothing up, and shows name, ward and whose it is."""
    token = await house.link(PC)
    for _ in range(2):
        page = await house.tab().get(f"{MAIN}/device/enrol?invitation={token}")
        assert page.status_code == 200
        for words in ("Ward 7 PC 3", "Ward 7", "everybody on the ward", "by the hospital"):
            assert words in page.text


async def test_whoever_proves_the_key_is_seated_on_the_device(house: Front, store: SqliteStore) -> None:
    """The session has the enrolment's id, name and ownership, and the journal says so."""
    tab = house.tab()
    device, key = await enrolled(tab)
    page = await signed_on(tab, await proof(tab, device, key))
    assert "Your systems" in page.text
    said = await seated(house)
    assert (said["device_id"], said["device_name"]) == (device, "Ward 7 PC 3")
    made = (await house.events("device.enrolled"))[0]
    assert {name: made[name] for name in ("device_id", "device_name", "ward", "ownership", "managed", "by", "proof")} == {
        "device_id": device, "device_name": "Ward 7 PC 3", "ward": "Ward 7", "ownership": "shared", "managed": True,
        "by": "ana", "proof": "key",
    }  # fmt: skip
    kept = await store.device(device)
    assert kept is not None
    assert kept.last_proved is not None
    assert "Ward 7 PC 3" in (await tab.get(f"{MAIN}/shift")).text


async def test_without_a_key_or_a_script_everything_works_as_an_unknown_device(house: Front) -> None:
    """The form by GET, as a browser without scripts sends it, and by POST without a proof."""
    for way in ("GET", "POST"):
        tab = house.tab()
        page = await (tab.sign_on() if way == "GET" else signed_on(tab, {}))
        assert "Your systems" in page.text
        said = await seated(house)
        assert (said["device_id"], said["device_name"]) == ("", "")


async def test_a_copied_cookie_jar_is_not_the_device(house: Front, store: SqliteStore) -> None:
    """No cookie says which device this is: whoever copies them all signs on as an unknown device (OIDC-089)."""
    tab, thief = house.tab(), house.tab()
    device, key = await enrolled(tab)
    await signed_on(tab, await proof(tab, device, key))
    thief.cookies = {host: dict(jar) for host, jar in tab.cookies.items()}
    thief.cookies["records.localhost:8080"]["__Host-gwdev"] = device
    assert device not in json.dumps({host: jar for host, jar in tab.cookies.items()})
    await thief.sign_on("/sign-on/start")
    assert (await seated(house))["device_id"] == ""
    bad = {"device": device, "challenge": "", "signature": ""}
    refused = await begun(thief, bad)
    assert refused.headers["location"] == "/sign-on?next=%2F&device=device-challenge"


async def test_a_sign_on_that_is_ended_elsewhere_is_not_on_the_device(tmp_path: Path) -> None:
    """Begun at the ward's PC, and ended at another address with its cookies and one's own password."""
    async with front(tmp_path, gateway={"trusted_proxies": [f"{PROXY}/32"]}) as house:
        store = SqliteStore(tmp_path / "data" / "sessions.db", Seal.of((tmp_path / "seal.key").read_bytes()))
        tab = house.tab()
        device, key = await enrolled(tab)
        for address, expected in (("10.20.1.1", device), ("203.0.113.9", "")):
            fields = await proof(tab, device, key)
            start = await tab.post(f"{MAIN}/sign-on/start", fields, **OWN_FORM, **{"x-forwarded-for": "10.20.1.1"})
            query = (await house.provider.authorise(start.headers["location"])).decode()
            answer = await tab.get(f"{MAIN}/sign-on/callback?{query}", **{"x-forwarded-for": address})
            assert answer.status_code == 303
            assert (await seated(house))["device_id"] == expected
        await store.close()


async def test_a_kiosk_s_certificate_is_shown_at_the_end_too(behind: tuple[Front, SqliteStore, Enrolment]) -> None:
    """Begun with it and ended without it, in another place: not on the kiosk."""
    house, _, _ = behind
    tab = house.tab()
    start = await tab.get(f"{MAIN}/sign-on/start", **verified())
    query = (await house.provider.authorise(start.headers["location"])).decode()
    assert (await tab.get(f"{MAIN}/sign-on/callback?{query}")).status_code == 303
    assert (await seated(house))["device_id"] == ""


async def test_a_proof_is_good_once_and_for_its_purpose(house: Front, store: SqliteStore) -> None:
    """A second use, another key and another purpose lead back to the page, which says why and goes on without the device."""
    tab = house.tab()
    device, key = await enrolled(tab)
    good = await proof(tab, device, key)
    assert (await begun(tab, good)).headers["location"].startswith(house.provider.issuer)
    cases = {
        "device-replayed": good,
        "device-signature": await proof(tab, device, BrowserKey()),
        "device-purpose": await proof(tab, device, key, "unlock"),
        "device-unknown": {**await proof(tab, device, key), "device": "0" * 32},
    }
    for reason, fields in cases.items():
        back = await begun(tab, {**fields, "next": "/shift"})
        assert back.headers["location"] == f"/sign-on?next=%2Fshift&device={reason}"
        page = await tab.get(MAIN + back.headers["location"])
        assert f"Reason: {reason}" in page.text
        assert "data-proves" not in page.text, "it would fail again"


async def test_a_late_proof_is_refused(house: Front, store: SqliteStore) -> None:
    """A minute after its challenge."""
    tab = house.tab()
    device, key = await enrolled(tab)
    fields = await proof(tab, device, key)
    house.clock.step += 61
    assert (await begun(tab, fields)).headers["location"].endswith("device=device-expired")


async def test_a_link_enrols_one_device(house: Front, store: SqliteStore) -> None:
    """The second browser is refused; a bad key does not use the link up; after fifteen minutes it is gone."""
    tab, key = house.tab(), BrowserKey()
    token = await house.link(PC)
    bad = await tab.sent("/device/enrol", {"invitation": token, "key": {**key.jwk(), "d": "x"}})
    assert (bad.status_code, bad.json()["type"]) == (403, "urn:lanyard:device-key")
    both = await asyncio.gather(*(tab.sent("/device/enrol", {"invitation": token, "key": key.jwk()}) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [201, 403]
    late = await house.link(PC)
    house.clock.step += INVITATION_LIFE
    refused = await tab.sent("/device/enrol", {"invitation": late, "key": key.jwk()})
    assert refused.json()["type"] == "urn:lanyard:device-invitation"
    page = await tab.get(f"{MAIN}/device/enrol?invitation={late}")
    assert page.status_code == 403
    assert "older than fifteen minutes" in page.text
    assert len(await store.devices()) == 1


@pytest.mark.parametrize(
    "path", ["/device/enrol", "/device/own", "/device/challenge", "/device/remove", "/sign-on/start"]
)
async def test_only_our_own_pages_may_ask(house: Front, path: str) -> None:
    """A POST from another site, or from a system's pages, changes nothing."""
    for site in ("cross-site", "same-site", "none"):
        answer = await house.tab().sent(path, {}, **{"sec-fetch-site": site})
        assert answer.status_code == 403
        assert "cross-site" in answer.text


BODIES = [b"", b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 8000, b"{}" + b" " * 20000]


@pytest.mark.parametrize("path", ["/device/enrol", "/device/challenge"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:4].decode("latin-1"))
async def test_what_is_no_request_of_ours_is_refused(house: Front, path: str, body: bytes) -> None:
    """No JSON, no object, too long: 400 or 413, and nothing happens."""
    answer = await house.tab().ask("POST", MAIN + path, SCRIPT, body)
    assert answer.status_code in (400, 413)


FORMS = {"a field twice": b"next=/&next=/shift", "no UTF-8": b"next=\xff", "too long": b"next=" + b"x" * 20000,
         "too many fields": b"&".join(b"a%d=" % n for n in range(20))}  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
async def test_a_sign_on_form_that_is_none_starts_nothing(house: Front, case: str) -> None:
    """Nobody is sent to the provider with half a form."""
    sent_as = {**OWN_FORM, "content-type": "application/x-www-form-urlencoded"}
    answer = await house.tab().ask("POST", f"{MAIN}/sign-on/start", sent_as, FORMS[case])
    assert answer.status_code in (400, 413)


async def test_a_failed_proof_is_written_down(house: Front, store: SqliteStore) -> None:
    """With its reason and where it came from; nothing of the proof."""
    tab = house.tab()
    device, _ = await enrolled(tab)
    fields = await proof(tab, device, BrowserKey())
    await begun(tab, fields)
    await house.running.closing.aclose()  # which writes what is summed up minute by minute
    told = await house.events("request.rejected")
    assert ("device-signature", PROXY) in [(one["reason"], one["source"]) for one in told]
    assert fields["signature"] not in json.dumps(told)


@pytest.mark.parametrize(
    "value", [{}, {"device": 7}, {"device": "x", "purpose": "sign-on"}, {"device": "0" * 32, "purpose": "all"}]
)
async def test_a_challenge_is_for_a_device_and_a_purpose(house: Front, value: dict[str, Any]) -> None:
    """Anything else is refused; an id that is well formed gets one whether it is enrolled or not."""
    assert (await house.tab().sent("/device/challenge", value)).status_code in (400, 403)
    assert (await house.tab().sent("/device/challenge", {"device": "0" * 32, "purpose": "sign-on"})).status_code == 200


# Revoked


async def test_a_revoked_device_ends_its_sessions_within_a_second(house: Front, store: SqliteStore) -> None:
    """By another process: the cookie is worth nothing at the next look, and the device signs nobody on any more."""
    tab = house.tab()
    device, key = await enrolled(tab)
    await signed_on(tab, await proof(tab, device, key))
    assert (await tab.get(MAIN + "/")).status_code == 200
    assert [s.end_reason for s in await store.revoke_device(device, house.clock())] == ["device-revoked"]
    house.clock.step += 0.9
    assert (await tab.get(MAIN + "/")).headers["location"] == "/sign-on"
    refused = await begun(tab, await proof(tab, device, key))
    assert refused.status_code == 403
    assert "taken out of use" in refused.text
    assert (await house.events("login.failed"))[-1]["reason"] == "device-revoked"


async def test_a_device_that_is_revoked_while_somebody_signs_on_gets_no_seat(house: Front, store: SqliteStore) -> None:
    """The proof was good as the sign-on began; at its end it is asked again."""
    tab = house.tab()
    device, key = await enrolled(tab)
    start = await begun(tab, await proof(tab, device, key))
    await store.revoke_device(device, house.clock())
    page, _ = await tab.follow(start.headers["location"])
    assert page.status_code == 403
    assert await house.events("session.seated") == []


async def test_a_shared_device_asks_who_is_there_whatever_became_of_cookies(house: Front, store: SqliteStore) -> None:
    """Somebody deletes ours and keeps the provider's: the device itself remembers that it was used."""
    tab = house.tab()
    device, key = await enrolled(tab)
    first = await begun(tab, await proof(tab, device, key))
    assert "prompt=login" not in first.headers["location"], "nobody was here before"
    await tab.follow(first.headers["location"])
    tab.cookies.clear()
    again = await begun(tab, await proof(tab, device, key))
    assert "prompt=login" in again.headers["location"]


# One's own


async def own(tab: Tab) -> tuple[httpx2.Response, BrowserKey]:
    key = BrowserKey()
    return await tab.sent("/device/own", {"key": key.jwk()}), key


async def test_one_s_own_device_waits_for_its_approval(house: Front, store: SqliteStore) -> None:
    """Until then it counts as unknown; afterwards it is its owner's, and nobody else's."""
    tab = house.tab()
    await tab.sign_on()
    made, key = await own(tab)
    assert made.json()["pending"] is True
    device = made.json()["device"]
    assert "Waits to be approved" in (await tab.get(f"{MAIN}/shift")).text
    await signed_on(tab, await proof(tab, device, key))
    assert (await seated(house))["device_id"] == ""
    kept = await store.device(device)
    assert kept is not None
    assert (kept.ownership, kept.owner) == (Ownership.PERSONAL, (house.provider.issuer, "n.okoye"))
    await store.put_device(replace(kept, pending=False))
    await signed_on(tab, await proof(tab, device, key))
    assert (await seated(house))["device_id"] == device
    house.provider.claims = {"sub": "dr.lee", "name": "J Lee"}
    await signed_on(tab, await proof(tab, device, key))
    assert (await seated(house))["device_id"] == "", "a colleague borrows it"


async def test_approval_can_be_left_out(tmp_path: Path) -> None:
    """`devices.approve_personal = false`: it counts from the next sign-on."""
    async with front(tmp_path, devices={"approve_personal": False}) as house:
        tab = house.tab()
        await tab.sign_on()
        made, key = await own(tab)
        assert made.json()["pending"] is False
        await signed_on(tab, await proof(tab, made.json()["device"], key))
        assert (await seated(house))["device_id"] == made.json()["device"]


async def test_whoever_is_not_signed_on_has_no_device_of_their_own(house: Front) -> None:
    """Neither enrolled nor removed."""
    assert (await own(house.tab()))[0].status_code == 401
    assert (await house.tab().post(f"{MAIN}/device/remove", {"device": "0" * 32})).status_code == 401


async def test_a_clinician_removes_a_device_that_was_lost(tmp_path: Path) -> None:
    """From another one: its session ends at once, this one goes on; a device of somebody else's stays."""
    async with front(tmp_path, devices={"approve_personal": False}) as house:
        phone, desk = house.tab(), house.tab()
        await phone.sign_on()
        made, key = await own(phone)
        device = made.json()["device"]
        await signed_on(phone, await proof(phone, device, key))
        await desk.sign_on()
        assert (await desk.post(f"{MAIN}/device/remove", {"device": "0" * 32})).status_code == 303
        assert (await phone.get(MAIN + "/")).status_code == 200
        assert (await desk.post(f"{MAIN}/device/remove", {"device": device})).status_code == 303
        assert (await phone.get(MAIN + "/")).headers["location"] == "/sign-on"
        assert (await desk.get(MAIN + "/")).status_code == 200
        revoked = (await house.events("device.revoked"))[-1]
        assert (revoked["device_id"], revoked["by"], len(revoked["sessions"])) == (device, "clinician", 1)
        assert (await house.events("session.revoked"))[-1]["reason"] == "device-revoked"


async def test_nobody_has_devices_without_end(house: Front) -> None:
    """Eight; then one must go first."""
    tab = house.tab()
    await tab.sign_on()
    answers = [(await own(tab))[0] for _ in range(9)]
    assert [answer.status_code for answer in answers] == [201] * 8 + [403]
    assert answers[-1].json()["type"] == "urn:lanyard:device-many"


# By client certificate


def verified(certificate: Certificate = KIOSK, said: str = "SUCCESS") -> dict[str, str]:
    """The headers that the trusted proxy writes."""
    return {
        "x-ssl-client-verify": said,
        "x-ssl-client-i-dn": certificate.issuer,
        "x-ssl-client-s-dn": certificate.subject,
    }


async def by_certificate(tab: Tab, headers: dict[str, str]) -> httpx2.Response:
    start = await tab.get(f"{MAIN}/sign-on/start", **headers)
    if start.status_code != 303:
        return start
    query = (await tab.front.provider.authorise(start.headers["location"])).decode()
    return await tab.ask("GET", f"{MAIN}/sign-on/callback?{query}", {**NAVIGATION, **headers})


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[tuple[Front, SqliteStore, Enrolment]]:
    """A gateway behind a proxy that it trusts, and a kiosk that is known by its certificate."""
    async with front(tmp_path, gateway={"trusted_proxies": [f"{PROXY}/32"]}) as house:
        store = SqliteStore(tmp_path / "data" / "sessions.db", Seal.of((tmp_path / "seal.key").read_bytes()))
        kiosk = Enrolment.of(PC, house.clock(), KIOSK)
        await store.put_device(kiosk)
        yield house, store, kiosk
        await store.close()


async def test_a_kiosk_is_known_by_its_certificate(behind: tuple[Front, SqliteStore, Enrolment]) -> None:
    """Without a script and without anything kept in the browser."""
    house, _, kiosk = behind
    assert (await by_certificate(house.tab(), verified())).status_code == 303
    assert (await seated(house))["device_id"] == kiosk.id


UNKNOWN = {
    "another certificate": verified(Certificate("CN=Trust CA,O=Example Trust", "CN=kiosk-13,O=Example Trust")),
    "another issuer": verified(Certificate("CN=Other CA", KIOSK.subject)),
    "not verified": verified(said="FAILED:self signed certificate"),
    "none": verified(said="NONE"),
    "no names": {"x-ssl-client-verify": "SUCCESS"},
    "another spelling": {name.replace("-", "_"): value for name, value in verified().items()},
}


@pytest.mark.parametrize("case", UNKNOWN)
async def test_a_certificate_that_does_not_hold_is_no_device(
    behind: tuple[Front, SqliteStore, Enrolment], case: str
) -> None:
    """Everything works, as on an unknown device."""
    house, _, _ = behind
    assert (await by_certificate(house.tab(), UNKNOWN[case])).status_code == 303
    assert (await seated(house))["device_id"] == ""


async def test_nobody_but_a_trusted_proxy_names_a_certificate(house: Front, store: SqliteStore) -> None:
    """The same words from a browser are its own."""
    await store.put_device(Enrolment.of(PC, house.clock(), KIOSK))
    await by_certificate(house.tab(), verified())
    assert (await seated(house))["device_id"] == ""


async def test_a_revoked_certificate_signs_nobody_on(behind: tuple[Front, SqliteStore, Enrolment]) -> None:
    """As with a key."""
    house, store, kiosk = behind
    await store.revoke_device(kiosk.id, house.clock())
    refused = await by_certificate(house.tab(), verified())
    assert refused.status_code == 403
    assert "device-revoked" in refused.text


async def test_the_store_down_is_no_unknown_device(
    house: Front, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that cannot be looked up is a fault of ours, said as one: nobody is signed on past it."""
    tab = house.tab()
    device, key = await enrolled(tab)
    fields = await proof(tab, device, key)

    async def broken(*_: object) -> None:
        raise StoreUnavailable("broken on purpose")

    monkeypatch.setattr(SqliteStore, "device", broken)
    assert (await begun(tab, fields)).status_code == 503
