"""What the security team changes: a link for a new device or a lost key, a name, an approval, an end; each once, with who did it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lxml import html

from gateway.stores.testing import enrolled
from policies.model import DeviceClass, Ownership
from sso.device import Certificate

from .fleet import (
    DEVICES,
    OFFICER,
    PC,
    PHONE,
    guarded,
    kept,
    known,
    made,
    nurse_at,
    officer,
    texts,
    ticket,
    used,
)
from .front import MAIN, Front, Tab
from .test_devices import begun, proof, signed_on

KIOSK = enrolled("c0" * 16, name="Theatre kiosk", key=None, certificate=Certificate("CN=CA", "CN=kiosk"))
NEW = {"name": "Ward 9 tablet 1", "ward": "Ward 9", "ownership": "issued", "managed": "yes"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with guarded(tmp_path) as opened:
        await known(opened, PC, PHONE, KIOSK)
        yield opened


@pytest.fixture
async def tab(house: Front) -> Tab:
    return await officer(house)


# A link


async def test_a_link_is_shown_with_its_picture_and_makes_a_browser_the_device(house: Front, tab: Tab) -> None:
    """Address and QR code say the same; the journal names the officer, and the device has what was filled in."""
    page = await made(tab, **NEW)
    assert page.status_code == 200
    (address,) = texts(page, "//p[@class='address']")
    assert address.startswith(f"{MAIN}/device/enrol?invitation=")
    assert len(html.fromstring(page.text).xpath("//div[@class='qr']/*[name()='svg']")) == 1
    assert "style=" not in page.text
    device, _ = await used(house, page)
    found = next(e for e in await kept(house) if e.id == device)
    assert (found.name, found.ward, found.ownership, found.managed) == (
        "Ward 9 tablet 1",
        "Ward 9",
        Ownership.ISSUED,
        True,
    )
    assert found.device_class is DeviceClass.DESKTOP
    (enrolled_,) = await house.events("device.enrolled")
    assert (enrolled_["device_id"], enrolled_["by"]) == (device, "s.reid")


async def test_a_form_that_is_sent_twice_makes_one_link(house: Front, tab: Tab) -> None:
    """The second is told so, and shown no link; nor is one without the form's own number."""
    form = {**NEW, "ticket": ticket(await tab.get(f"{DEVICES}/enrol"))}
    answers = await asyncio.gather(*(tab.post(f"{DEVICES}/enrol", form) for _ in range(3)))
    assert sum("invitation=" in answer.text for answer in answers) == 1
    for none in ("", "x" * 64):
        answer = await tab.post(f"{DEVICES}/enrol", {**NEW, "ticket": none})
        assert "This form was sent already" in answer.text
        assert "invitation=" not in answer.text


BAD: dict[str, tuple[dict[str, str], str]] = {
    "no name": ({"name": " "}, "needs a name"),
    "a name that is none": ({"name": "PC\n3"}, "printable"),
    "a name that is too long": ({"name": "x" * 81}, "at most 80"),
    "a ward that is too long": ({"ward": "x" * 81}, "at most 80"),
    "nobody's": ({"ownership": ""}, "Say who uses it"),
    "a person's own": ({"ownership": "personal"}, "Say who uses it"),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_cannot_be_enrolled_is_said_beside_the_form(tab: Tab, what: str) -> None:
    """With what was filled in, and without a link."""
    wrong, says = BAD[what]
    page = await made(tab, **{**NEW, **wrong})
    assert page.status_code == 422
    assert says in " ".join(texts(page, "//*[@role='alert']"))
    assert "invitation=" not in page.text
    assert ('value="Ward 9 tablet 1"' in page.text) is ("name" not in wrong)


async def test_names_are_shown_as_what_they_are(house: Front, tab: Tab) -> None:
    """A name that is markup is text."""
    await known(house, enrolled("e0" * 16, name="<script>alert(1)</script>", ward="<b>"))
    for path in ("", f"/{'e0' * 16}", f"/{'e0' * 16}/revoke"):
        page = await tab.get(f"{DEVICES}{path}")
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text


# A lost key


async def test_a_device_that_lost_its_key_is_enrolled_again_by_a_link(house: Front, tab: Tab) -> None:
    """Nothing changes until the link is used; then the old key is out of use, with whoever was signed on by it."""
    browser = house.tab()
    old, key = await used(house, await made(tab, **NEW), browser)
    await nurse_at(house, browser, old, key)
    house.provider.claims = dict(OFFICER)
    page = await made(tab, f"{old}/renew")
    assert (await browser.get(f"{MAIN}/shift")).status_code == 200
    new, _ = await used(house, page)
    assert (await browser.get(f"{MAIN}/shift")).status_code == 303
    entries = {e.id: e for e in await kept(house)}
    assert (entries[new].name, entries[new].ward, entries[new].managed) == ("Ward 9 tablet 1", "Ward 9", True)
    assert entries[old].revoked is not None
    said = await house.events("device.enrolled", "device.revoked", "session.revoked")
    assert [(one["type"], one.get("replaces"), one.get("reason")) for one in said[1:]] == [
        ("device.enrolled", old, None), ("device.revoked", None, "replaced"), ("session.revoked", None, "device-revoked"),
    ]  # fmt: skip
    assert said[2]["by"] == "s.reid"
    refused = await begun(browser, await proof(browser, old, key))
    assert "device-revoked" in refused.text


async def test_a_revoked_device_comes_back_by_a_link(house: Front, tab: Tab) -> None:
    """As a new entry; what was revoked stays so."""
    await tab.post(f"{DEVICES}/{PC.id}/revoke", {"reason": "retired", "note": ""})
    new, _ = await used(house, await made(tab, f"{PC.id}/renew"))
    states = {e.id: e.revoked is None for e in await kept(house)}
    assert (states[new], states[PC.id]) == (True, False)
    assert len(await house.events("device.revoked")) == 1


@pytest.mark.parametrize("device", [PHONE.id, KIOSK.id])
async def test_what_is_not_known_by_a_link_gets_none(tab: Tab, device: str) -> None:
    """A clinician's own and a kiosk by its certificate: the page says how they are known again."""
    for page in (
        await tab.get(f"{DEVICES}/{device}/renew"),
        await tab.post(f"{DEVICES}/{device}/renew", {"ticket": "x"}),
    ):
        assert "This device has no link" in page.text
        assert "invitation=" not in page.text


# A name


async def test_a_device_gets_another_name_and_ward(house: Front, tab: Tab) -> None:
    """Once, with what it was called before and who changed it."""
    for _ in range(2):
        answer = await tab.post(f"{DEVICES}/{PC.id}/name", {"name": "Ward 8 PC 1", "ward": "Ward 8"})
        assert answer.headers["location"] == f"/security/devices/{PC.id}?done=named"
    (changed,) = await house.events("device.changed")
    assert (changed["device_name"], changed["ward"], changed["by"], changed["name"]) == (
        "Ward 8 PC 1", "Ward 8", "s.reid", "Sam Reid",
    )  # fmt: skip
    assert changed["was"] == {"device_name": "Ward 7 PC 3", "ward": "Ward 7"}
    page = await tab.get(f"{DEVICES}/{PC.id}?done=named")
    assert texts(page, "//h1") == ["Ward 8 PC 1"]
    assert "was Ward 7 PC 3, Ward 7" in texts(page, "//tbody/tr")[0]


async def test_a_name_that_is_none_is_said(house: Front, tab: Tab) -> None:
    """And changes nothing."""
    page = await tab.post(f"{DEVICES}/{PC.id}/name", {"name": "", "ward": "Ward 8"})
    assert page.status_code == 422
    assert "needs a name" in page.text
    assert await house.events("device.changed") == []


# Approval


async def test_a_clinician_s_own_device_is_approved_once(house: Front, tab: Tab) -> None:
    """After a page that says whose it is; a second time there is nothing to approve."""
    page = await tab.get(f"{DEVICES}/{PHONE.id}/approve")
    assert "n.okoye has asked for it" in page.text
    await asyncio.gather(*(tab.post(f"{DEVICES}/{PHONE.id}/approve") for _ in range(3)))
    (approved,) = await house.events("device.approved")
    assert (approved["device_id"], approved["by"], approved["name"]) == (PHONE.id, "s.reid", "Sam Reid")
    assert [e.pending for e in await kept(house) if e.id == PHONE.id] == [False]
    again = await tab.get(f"{DEVICES}/{PHONE.id}/approve")
    assert again.headers["location"] == f"/security/devices/{PHONE.id}"


async def test_what_was_revoked_is_not_approved(house: Front, tab: Tab) -> None:
    """Neither by a page that was open before."""
    async with house.store() as store:
        await store.revoke_device(PHONE.id, house.clock())
    await tab.post(f"{DEVICES}/{PHONE.id}/approve")
    assert await house.events("device.approved") == []


# The end


async def test_a_device_is_taken_out_of_use_for_a_reason(house: Front, tab: Tab) -> None:
    """After a page that says what ends; its sessions end at once, in the journal with who did it and why; once."""
    browser = house.tab()
    device, key = await used(house, await made(tab, **NEW), browser)
    await nurse_at(house, browser, device, key)
    page = await tab.get(f"{DEVICES}/{device}/revoke")
    assert "1 session on it ends within a second" in page.text
    assert "You sit at it" not in page.text
    form = {"reason": "stolen", "note": "left on the bus"}
    answers = await asyncio.gather(*(tab.post(f"{DEVICES}/{device}/revoke", form) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert (await browser.get(f"{MAIN}/shift")).status_code == 303
    (revoked,) = await house.events("device.revoked")
    assert (revoked["device_id"], revoked["by"], revoked["name"], revoked["reason"], revoked["note"], len(revoked["sessions"])) == (
        device, "s.reid", "Sam Reid", "stolen", "left on the bus", 1,
    )  # fmt: skip
    page = await tab.get(f"{DEVICES}/{device}?done=revoked")
    assert "revoked" in page.text
    assert "stolen; left on the bus" in texts(page, "//tbody/tr")[0]
    assert "/revoke" not in page.text


@pytest.mark.parametrize("wrong", [{"reason": ""}, {"reason": "whim"}, {"note": "x" * 201}, {"note": "a\x00b"}])
async def test_a_device_stays_in_use_without_a_reason(house: Front, tab: Tab, wrong: dict[str, str]) -> None:
    """The form is shown again and says what is missing."""
    page = await tab.post(f"{DEVICES}/{PC.id}/revoke", {"reason": "lost", "note": "", **wrong})
    assert page.status_code == 422
    assert texts(page, "//*[@role='alert']")
    assert await house.events("device.revoked") == []


async def test_whoever_revokes_the_device_they_sit_at_is_warned_and_signed_off(house: Front, tab: Tab) -> None:
    """Their own session is one of those that end."""
    browser = house.tab()
    device, key = await used(house, await made(tab, **NEW), browser)
    house.provider.claims = dict(OFFICER)
    await signed_on(browser, await proof(browser, device, key))
    assert "you sit at it" in (await browser.get(DEVICES)).text
    assert "You sit at it" in (await browser.get(f"{DEVICES}/{device}/revoke")).text
    page = await browser.post(f"{DEVICES}/{device}/revoke", {"reason": "retired", "note": ""})
    assert page.status_code == 200
    assert "signed off here too" in page.text
    assert (await browser.get(DEVICES)).headers["location"].startswith("/sign-on")
    assert (await tab.get(DEVICES)).status_code == 200
