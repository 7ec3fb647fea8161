"""Pages for the security team: decided by the policies, written down before they are made, refused like anything else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .fleet import DEVICES, NURSE, PC, guarded, known, officer
from .front import MAIN, OWN_FORM, Front

CHANGING = ["enrol", f"{PC.id}/renew", f"{PC.id}/name", f"{PC.id}/approve", f"{PC.id}/revoke"]
LOOKING = ["", "report", PC.id, f"{PC.id}/opened"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with guarded(tmp_path) as opened:
        await known(opened, PC)
        yield opened


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
    """An old one leads to the provider and back to the form, by GET and by POST; nothing is changed until then."""
    tab = await officer(house)
    house.clock.step = 299
    assert (await tab.get(DEVICES)).status_code == 200  # else it would be idle
    house.clock.step = 310
    for answer in (await tab.get(address(path)), await tab.post(address(path), {"reason": "lost", "name": "X"})):
        assert answer.status_code == 403
        assert "proof that it is you" in answer.text
        onward = re.search(r'href="(/step-up\?ticket=[^"]+)"', answer.text)
        assert onward is not None
    assert {one["reason"] for one in await house.events("access.denied")} == {"device-change-proof"}
    assert await house.events("device.enrolled", "device.approved", "device.changed", "device.revoked") == []
    page, way = await tab.follow(f"{MAIN}{onward[1]}")
    assert address(path) in way
    assert page.status_code == 200
    assert "<form" in page.text


async def test_one_factor_is_not_enough_to_see_devices(house: Front) -> None:
    """The page says what would help."""
    tab = await officer(house, amr=["pwd"], acr="urn:acr:pwd")
    page = await tab.get(DEVICES)
    assert page.status_code == 403
    assert "second factor" in page.text
    assert "Sign on with a stronger proof" in page.text


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
