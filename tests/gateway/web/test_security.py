"""Pages for the security team: decided by the policies, written down before they are made, refused like anything else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from .fleet import DEVICES, NURSE, OFFICER, PC, guarded, known, officer
from .front import MAIN, OWN_FORM, Front

CHANGING = ["enrol", f"{PC.id}/renew", f"{PC.id}/name", f"{PC.id}/approve", f"{PC.id}/revoke"]
LOOKING = ["", "report", PC.id, f"{PC.id}/opened"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with guarded(tmp_path) as opened:
        await known(opened, PC)
        yield opened


def proof_asked(page: httpx2.Response) -> str:
    """Where a refusal leads that a proof would turn."""
    found = re.search(r'href="([^"]*)(/step-up\?ticket=[^"]*)"', page.text)
    assert found, page.text
    return f"{MAIN}{found[2]}"


def address(path: str) -> str:
    return f"{DEVICES}/{path}".rstrip("/")


@pytest.mark.parametrize("path", [*LOOKING, *CHANGING])
async def test_whoever_is_not_signed_on_signs_on_first(house: Front, path: str) -> None:
    """And comes back to the page; nothing is asked of the policies for nobody."""
    page = await house.tab().get(address(path))
    assert page.headers["location"] == f"/sign-on?next={address(path).removeprefix(MAIN)}"
    assert (await house.tab().post(address(path))).status_code in (401, 404)
    assert await house.events("access.intent", "access.denied") == []


@pytest.mark.parametrize("path", [*LOOKING, *CHANGING])
async def test_a_nurse_is_refused_and_sees_no_link(house: Front, path: str) -> None:
    """With the usual page, written down; by POST as by GET, and nothing is changed."""
    house.provider.claims = dict(NURSE)
    tab = house.tab()
    assert "/security" not in (await tab.sign_on()).text
    answers = [
        await tab.get(address(path)),
        await tab.post(address(path), {"reason": "lost", "name": "X", "ownership": "shared"}),
    ]
    for answer in answers[: 1 if path in LOOKING[1:] else 2]:
        assert answer.status_code == 403
        assert "Your role does not let you open this." in answer.text
        assert "Ward 7 PC 3" not in answer.text
    denied = await house.events("access.denied")
    assert {(one["system"], one["subject"], one["reason"]) for one in denied} == {("lanyard", "n.okoye", "no-permit")}
    assert await house.events("device.enrolled", "device.approved", "device.changed", "device.revoked") == []
    assert await house.events("access.intent", "audit.read") == []


async def test_a_look_is_written_down_with_its_end(house: Front) -> None:
    """Who, by which rule, what for; and its completion behind it."""
    tab = await officer(house)
    page = await tab.get(DEVICES)
    assert page.status_code == 200
    (asked,) = await house.events("access.intent")
    assert {name: asked[name] for name in ("system", "action", "kind", "route", "subject", "rules", "target", "patients")} == {
        "system": "lanyard", "action": "manage_devices", "kind": "device", "route": "devices", "subject": "s.reid",
        "rules": ["security-officer-devices"], "target": "/security/devices", "patients": [],
    }  # fmt: skip
    (done,) = await house.awaited("record.completed")
    assert (done["request"], done["status"], done["bytes"]) == (asked["request"], 200, len(page.content))


@pytest.mark.parametrize("path", CHANGING)
async def test_a_change_asks_for_a_proof_of_the_last_minutes(house: Front, path: str) -> None:
    """An old one leads over a proof and back to the form, in the same session, by GET and by POST; nothing is changed until then."""
    tab = await officer(house)
    house.clock.step = 280
    assert (await tab.get(DEVICES)).status_code == 200  # else it would be idle
    house.clock.step = 310
    for answer in (await tab.get(address(path)), await tab.post(address(path), {"reason": "lost", "name": "X"})):
        assert answer.status_code == 403
        assert "proof that it is you" in answer.text
    assert "What you entered could not be kept" in answer.text
    onward = proof_asked(answer)
    assert {one["reason"] for one in await house.events("access.denied")} == {"device-change-proof"}
    assert await house.events("device.enrolled", "device.approved", "device.changed", "device.revoked") == []
    page, way = await tab.follow(onward)
    assert page.status_code == 200
    assert address(path) in way
    assert (await house.events("session.seated"))[1:] == []


async def test_one_factor_is_not_enough_to_see_devices(house: Front) -> None:
    """The page says what would help."""
    tab = await officer(house, amr=["pwd"], acr="urn:acr:pwd")
    page = await tab.get(DEVICES)
    assert page.status_code == 403
    assert "second factor" in page.text
    assert "Sign on with a stronger proof" in page.text
    house.provider.claims = dict(OFFICER)
    page, way = await tab.follow(proof_asked(page))
    assert (page.status_code, way[-1].removeprefix(MAIN)) == (200, "/security/devices")


async def test_after_an_emergency_sign_on_devices_wait_for_the_provider(house: Front) -> None:
    """The shift began by somebody's word, or without the provider: it makes nothing known."""
    tab = await officer(house)
    async with house.store() as store:
        (seated,) = await house.events("session.seated")
        shift = await store.shift(seated["shift"])
        assert shift is not None
        shift.emergency = "passkey"
        await store.put_shift(shift)
    house.clock.step = 1.0  # by which every gateway has heard of it
    page = await tab.get(DEVICES)
    assert page.status_code == 403
    assert "no devices" in page.text


@pytest.mark.parametrize("path", [*LOOKING[:1], *CHANGING])
async def test_no_other_site_fills_in_a_form(house: Front, path: str) -> None:
    """However signed on the browser is; and a HEAD changes nothing."""
    tab = await officer(house)
    foreign = {**OWN_FORM, "sec-fetch-site": "same-site", "origin": "http://pas.records.localhost:8080"}
    answer = await tab.post(address(path), {"reason": "lost", "name": "X"}, **foreign)
    assert answer.status_code == 403
    assert "another site" in answer.text
    await tab.ask("HEAD", address(path))
    assert await house.events("device.enrolled", "device.approved", "device.changed", "device.revoked") == []


async def test_a_locked_officer_unlocks_first(house: Front) -> None:
    """As at any page of ours."""
    tab = await officer(house)
    await tab.post(f"{MAIN}/lock")
    assert (await tab.get(DEVICES)).headers["location"] == "/unlock?next=/security/devices"


async def test_a_look_that_cannot_be_written_down_shows_nothing(house: Front) -> None:
    """The journal is closed under the gateway: 503, and no device."""
    tab = await officer(house)
    await house.running.journal.close()
    page = await tab.get(DEVICES)
    assert page.status_code == 503
    assert "Ward 7 PC 3" not in page.text
