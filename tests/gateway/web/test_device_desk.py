"""What the security team sees of devices: all of them, one, what was opened on it, and what enforcing would refuse."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from lxml import html

from gateway.audit.event import AuditEvent, EventType, RequestLine
from gateway.device_list import PAGE
from gateway.stores.testing import enrolled
from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.model import PatientRef
from policies.testing import ask

from .fleet import DEVICES, PC, PHONE, guarded, known, made, nurse_at, officer, texts, used
from .front import MAIN, Front, Tab

NUMBER = "9990000018"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with guarded(tmp_path) as opened:
        await known(opened, PC, PHONE)
        yield opened


@pytest.fixture
async def tab(house: Front) -> Tab:
    return await officer(house)


def linked(page: httpx2.Response, words: str) -> list[str]:
    """Where a link with these words leads."""
    return [str(href) for href in html.fromstring(page.text).xpath(f"//a[text()='{words}']/@href")]


async def looks(house: Front, session: str, *requests: str, names: str = "", also: int = 0) -> None:
    """Accesses as the pipeline writes them, in this session; `also` so many patients that the answer named."""
    engine, journal = CedarEngine(Bundle.load(), "observe"), house.running.journal
    for request in requests:
        access, facts = ask("nurse", "read", "observation", "pas")
        decision = engine.decide(access, facts)
        line = RequestLine(request, session, "shift", "GET", b"/Observation?patient=1", "10.0.0.1")
        receipt = await journal.intent(access, facts, decision, line, engine.input_record(decision.input_hash))
        named = {PatientRef("nhs-number", names)} if names else set()
        named |= {PatientRef("system:pas", f"H{n:04}") for n in range(also)}
        if named:
            await journal.released(receipt, frozenset(named))


async def test_all_devices_are_listed_with_what_people_call_them(tab: Tab) -> None:
    """Name, ward, what it is, whose, state; what waits for approval is said first."""
    page = await tab.get(DEVICES)
    rows = texts(page, "//tbody/tr")
    assert len(rows) == 2
    assert "Phone of N Okoye" in rows[0]
    for words in ("personal", "of n.okoye", "pending", "never"):
        assert words in rows[0]
    for words in ("Ward 7 PC 3", "Ward 7", "shared", "managed", "in use"):
        assert words in rows[1]
    assert "1 waits for approval." in texts(page, "//p[@class='notice']")


async def sought(tab: Tab, **form: str) -> httpx2.Response:
    """The form filled in and sent, and the page that it leads to."""
    answer = await tab.post(DEVICES, {"text": "", "ward": "", "state": "", **form})
    assert answer.status_code == 303
    return await tab.get(f"{MAIN}{answer.headers['location']}")


async def test_devices_are_found_without_names_in_the_address(house: Front, tab: Tab) -> None:
    """By text, ward and state; what was asked for stands in the form again, and in no address."""
    page = await sought(tab, text=" okoye ", state="pending")
    assert texts(page, "//tbody/tr/td[1]") == ["Phone of N Okoye"]
    assert 'value="okoye"' in page.text
    page = await sought(tab, ward="Ward 7", state="revoked")
    assert "No device is like that." in page.text
    addresses = {one["target"] for one in await house.events("access.intent")}
    assert {address.partition("?")[0] for address in addresses} == {"/security/devices"}
    assert not any(word in address.lower() for address in addresses for word in ("okoye", "ward", "pending"))
    assert len(texts(await sought(tab), "//tbody/tr")) == 2


@pytest.mark.parametrize("find", ["", "x", "x" * 43, "x" * 2000])
@pytest.mark.parametrize("page", ["", "0", "-1", "99999999999999999999", "²", "1e3", "%00"])
async def test_an_address_that_names_nothing_shows_all(tab: Tab, find: str, page: str) -> None:
    """A search that is over, and a page that there is not."""
    assert len(texts(await tab.get(f"{DEVICES}?find={find}&page={page}"), "//tbody/tr")) == 2


async def test_many_devices_are_shown_a_page_at_a_time(house: Front, tab: Tab) -> None:
    """With a link each way, which keeps what is looked for."""
    await known(house, *(enrolled(f"{n:032x}", name=f"PC {n:03}", ward="Ward 9") for n in range(PAGE + 1)))
    page = await sought(tab, ward="Ward 9")
    assert len(texts(page, "//tbody/tr")) == PAGE
    page = await tab.get(f"{MAIN}{linked(page, 'Next page')[0]}")
    assert len(texts(page, "//tbody/tr")) == 1
    page = await tab.get(f"{MAIN}{linked(page, 'Page before')[0]}")
    assert len(texts(page, "//tbody/tr")) == PAGE
    assert linked(page, "Page before") == []


async def test_one_device_shows_who_sits_at_it_and_what_became_of_it(house: Front, tab: Tab) -> None:
    """Enrolled by whom and when, who is signed on there now; the look at the journal is written down."""
    browser = house.tab()
    device, key = await used(house, await made(tab, name="Ward 9 tablet 1", ward="Ward 9", ownership="issued"), browser)
    await nurse_at(house, browser, device, key)
    page = await tab.get(f"{DEVICES}/{device}")
    assert page.status_code == 200
    assert texts(page, "//h1") == ["Ward 9 tablet 1"]
    assert texts(page, "//li[@class='tile']/h3") == ["N Okoye"]
    (row,) = texts(page, "//tbody/tr")
    assert "enrolled" in row
    assert "s.reid" in row
    (read,) = await house.events("audit.read")
    assert (read["subject"], read["question"]) == ("s.reid", {"device": device, "history": True})
    assert read["request"] in {one["request"] for one in await house.events("access.intent")}


async def test_a_device_that_nobody_knows_has_no_page(tab: Tab) -> None:
    """Nor does what is no device's number."""
    for path in ("ff" * 16, "nothing", f"{PC.id}x", PC.id.upper()):
        assert (await tab.get(f"{DEVICES}/{path}")).status_code == 404


async def test_a_device_is_seen_while_the_journal_s_copy_does_not_answer(
    house: Front, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be taken out of use all the same; what was opened on it is said not to be known just now."""

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("gateway.audit.looking.open_copy", broken)
    page = await tab.get(f"{DEVICES}/{PC.id}")
    assert page.status_code == 200
    assert "cannot be searched just now" in page.text
    assert "Take out of use" in page.text
    page = await tab.get(f"{DEVICES}/{PC.id}/opened")
    assert page.status_code == 503
    assert "The journal cannot be searched just now" in page.text


async def test_what_was_opened_on_a_device_is_listed_and_the_list_written_down(house: Front, tab: Tab) -> None:
    """When, who, system, patients; looking is an event of its own, and so are the patients whom the list shows."""
    browser = house.tab()
    device, key = await used(house, await made(tab, name="Ward 9 PC 1", ward="Ward 9", ownership="shared"), browser)
    await nurse_at(house, browser, device, key)
    session = (await house.events("session.seated"))[-1]["session"]
    await looks(house, session, "r-1", names=NUMBER)
    await looks(house, "another-session", "r-2", names="9990000026")
    page = await tab.get(f"{DEVICES}/{device}/opened")
    (row,) = texts(page, "//tbody/tr")
    for words in ("Example", "Patient administration", "read observation", NUMBER):
        assert words in row
    assert "9990000026" not in page.text
    read = (await house.events("audit.read"))[-1]
    assert (read["subject"], read["question"]) == ("s.reid", {"device": device, "days": 7})
    asked = [one for one in await house.events("access.intent") if one["action"] == "read_device_activity"]
    shown = [one for one in await house.events("record.released") if one["request"] == asked[0]["request"]]
    assert [one["patients"] for one in shown] == [[["example", "0"], ["nhs-number", NUMBER]]]


async def test_a_long_list_is_shown_a_page_at_a_time(house: Front, tab: Tab) -> None:
    """None twice and none left out; of an access that named a whole ward the first few patients are shown, and how many more."""
    await house.running.journal.record(
        AuditEvent(EventType.SESSION_SEATED, house.clock(), {"session": "s-1", "device_id": PC.id})
    )
    await looks(house, "s-1", *(f"r-{n}" for n in range(60)))
    await looks(house, "s-1", "r-60", also=40)
    page = await tab.get(f"{DEVICES}/{PC.id}/opened")
    assert len(texts(page, "//tbody/tr")) == 50
    assert "and 31 more" in texts(page, "//tbody/tr")[0]
    (further,) = linked(page, "Earlier")
    page = await tab.get(f"{MAIN}{further}")
    assert len(texts(page, "//tbody/tr")) == 11
    assert linked(page, "Earlier") == []


async def test_what_was_opened_longer_ago_is_there_for_whoever_asks(house: Front, tab: Tab) -> None:
    """A week by default; a number of days that is not offered is a week too."""
    await house.running.journal.record(
        AuditEvent(EventType.SESSION_SEATED, house.clock(), {"session": "s-1", "device_id": PC.id})
    )
    await looks(house, "s-1", "r-1")
    house.clock.step = 8 * 86_400.0
    tab = await officer(house)
    for days, rows in (("", 0), ("?days=30", 1), ("?days=365", 1), ("?days=9999", 0), ("?days=x", 0)):
        assert len(texts(await tab.get(f"{DEVICES}/{PC.id}/opened{days}"), "//tbody/tr")) == rows


@pytest.mark.parametrize(
    "behind", ["x", "1,gateway,1", "1,gateway,1,1,1", "1;gateway;1;1", "nan,gateway,1,1", "1,../x,1,1"]
)
async def test_a_place_that_no_page_has_written_is_refused(tab: Tab, behind: str) -> None:
    """400, and nothing is looked at."""
    page = await tab.get(f"{DEVICES}/{PC.id}/opened?behind={behind}")
    assert page.status_code == 400
    assert await tab.front.events("audit.read") == []


async def test_what_was_opened_before_a_device_was_enrolled_again_is_its_own(house: Front, tab: Tab) -> None:
    """The key is another, the device is not."""
    await house.running.journal.record(
        AuditEvent(EventType.SESSION_SEATED, house.clock(), {"session": "s-1", "device_id": PC.id})
    )
    await looks(house, "s-1", "r-1")
    device, _ = await used(house, await made(tab, f"{PC.id}/renew"))
    page = await tab.get(f"{DEVICES}/{device}/opened")
    assert len(texts(page, "//tbody/tr")) == 1
    assert "before it was enrolled again" in page.text


async def test_what_enforcing_would_refuse_is_a_page(house: Front, tab: Tab) -> None:
    """By reason, system, zone and device, as the command has it; the look is written down."""
    page = await tab.get(f"{DEVICES}/report")
    assert "Nothing." in page.text
    for subject in ("a", "b"):
        fields = {
            "device": "phone",
            "subject": subject,
            "system": "pas",
            "zone": "",
            "observed": {"reason": "device-off-site", "rules": []},
        }
        await house.running.journal.record(AuditEvent(EventType.ACCESS_INTENT, house.clock(), fields))
    page = await tab.get(f"{DEVICES}/report?days=30")
    assert texts(page, "//tbody/tr/td") == [
        "device-off-site", "System Patient administration", "Zone outside", "Device phone", "Looks 2", "Clinicians 2",
    ]  # fmt: skip
    assert texts(page, "//caption") == ["2 looks"]
    assert [one["question"] for one in await house.events("audit.read")] == [
        {"days": 7, "observed": True}, {"days": 30, "observed": True},
    ]  # fmt: skip
