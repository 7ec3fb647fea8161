"""A badge selects and a PIN proves: at a locked desk, at a free one, and for nobody who has the number alone."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import pytest

from gateway.badges import Badges
from gateway.config import BadgesTable
from policies.model import Ownership
from sso.badge import Holder
from sso.device import Invitation
from sso.seal import Seal
from sso.testing import Reply

from .front import MAIN, NAVIGATION, PAS, PC, Front, Tab, front

HOST = "records.localhost:8080"
PIN, WRONG = "284917", "284918"
BADGE, LEE_S, NOBODY_S = "0004512987", "04:a2:24:5b", "0009999999"
RECORD = f"{PAS}/patient?nhs=9990001112"
LEE = {"sub": "dr.lee", "name": "Lee Adler", "roles": ["doctor"]}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with front(tmp_path, badges={"enabled": True}) as opened:
        yield opened


async def with_badge(house: Front, badge: str = BADGE, *, on: Invitation | None = PC) -> Tab:
    """Signed on at a shared PC as whoever stands at the provider, with a PIN and a badge."""
    tab = house.tab()
    if on is not None:
        await tab.enrol(on)
    await tab.sign_on()
    await tab.post(f"{MAIN}/shift/pin", {"pin": PIN, "again": PIN, **await tab.proof("unlock")})
    registered = await tab.post(f"{MAIN}/shift/badge", {"badge": badge})
    assert registered.headers["location"] == "/shift/badge"
    return tab


async def tapped(tab: Tab, badge: str, back: str = "/") -> httpx2.Response:
    return await tab.post(f"{MAIN}/badge", {"badge": badge, "next": back, **await tab.proof("unlock")})


async def then_pin(tab: Tab, page: httpx2.Response, pin: str = PIN) -> httpx2.Response:
    tap, back = (re.search(rf'name="{name}" value="([^"]*)"', page.text) for name in ("tap", "next"))
    assert tap is not None
    assert back is not None
    return await tab.post(
        f"{MAIN}/badge/pin", {"tap": tap[1], "next": back[1], "pin": pin, **await tab.proof("unlock")}
    )


async def came_in(tab: Tab, badge: str, back: str = "/") -> tuple[httpx2.Response, list[str]]:
    """Tap, PIN, and wherever that leads."""
    answer = await then_pin(tab, await tapped(tab, badge, back))
    assert answer.status_code == 303, answer.text
    return await tab.follow(urljoin(MAIN, answer.headers["location"]))


# At a desk


async def test_tap_and_pin_open_the_page_that_one_left(house: Front) -> None:
    """At one's own locked desk: the same session and its cookie."""
    tab = await with_badge(house)
    cookie = tab.cookies[HOST]["__Host-lanyard"]
    house.clock.step = 310
    page, _ = await tab.follow(RECORD)
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    _, way = await came_in(tab, BADGE, back[1])
    assert RECORD in way
    assert tab.cookies[HOST]["__Host-lanyard"] == cookie
    assert [e["method"] for e in await house.events("session.unlocked")] == ["pin"]
    assert len(await house.events("session.seated")) == 1


async def test_a_colleague_takes_a_locked_desk_over_by_badge_and_each_comes_back(house: Front) -> None:
    """B has a shift elsewhere and gets a session in it; A, by badge, is back on A's page; neither sees the other's."""
    house.provider.claims = LEE
    elsewhere = await with_badge(house, LEE_S)
    house.provider.claims = {}
    desk = await with_badge(house)
    await desk.follow(RECORD)
    house.provider.replies["/token"] = Reply(503)  # it would speak of one clinician, whoever is asked about
    house.clock.step = 310
    page, _ = await desk.follow(RECORD)
    back = re.search(r'name="next" value="([^"]*)"', page.text)
    assert back is not None
    page, way = await came_in(desk, LEE_S, back[1])
    assert any(address.startswith(f"{PAS}/.lanyard/sign-off?") for address in way)
    assert (way[-1], "Lee Adler" in page.text, "Okoye" in page.text) == (f"{MAIN}/", True, False)
    first, second = (e for e in await house.events("session.seated") if e["subject"] == "dr.lee")
    assert (first["shift"] == second["shift"], second["by"], second["device_id"]) == (True, "badge", desk.device)
    assert (await elsewhere.get(f"{MAIN}/")).headers["location"] == "/unlock", "the lock follows its clinician"
    house.clock.step += 310
    await desk.get(f"{MAIN}/unlock")
    _, way = await came_in(desk, BADGE)
    assert RECORD in way, "A is back where A was"
    assert [e["subject"] for e in await house.events("session.switched")] == ["n.okoye", "dr.lee"]
    assert [e["subject"] for e in await house.events("session.unlocked")] == ["n.okoye"]
    assert len(await house.events("login.ok")) == 2, "one sign-on each"


async def test_a_free_desk_opens_the_shift_that_one_has(house: Front) -> None:
    """From the sign-on page, with the way to the page that was asked for; what is proved is a PIN, now."""
    await with_badge(house)
    desk = house.tab()
    await desk.enrol()
    page, way = await came_in(desk, BADGE, "/shift")
    assert (way[-1], "<h1>My shift</h1>" in page.text) == (f"{MAIN}/shift", True)
    await desk.follow(RECORD)
    look = (await house.events("access.intent"))[-1]
    assert (look["proof"], look["proof_age"] <= 2) == ("pin", True)


async def test_whoever_has_no_shift_signs_on_at_the_provider(house: Front) -> None:
    """On this device, and then it is as any sign-on."""
    tab = await with_badge(house)
    await tab.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    answer = await then_pin(tab, await tapped(tab, BADGE))
    assert answer.headers["location"].startswith(house.provider.issuer)
    await tab.follow(answer.headers["location"])
    assert (await house.events("session.seated"))[-1]["device_id"] == tab.device


async def test_somebody_without_a_shift_takes_a_locked_desk_by_signing_on(house: Front) -> None:
    """And sees nothing of where the one before was."""
    house.provider.claims = LEE
    lee = await with_badge(house, LEE_S)
    await lee.post(f"{MAIN}/sign-off", {"everywhere": "yes"})
    house.provider.claims = {}
    desk = await with_badge(house)
    await desk.post(f"{MAIN}/lock")
    answer = await then_pin(desk, await tapped(desk, LEE_S, "/shift"))
    house.provider.claims = LEE
    page, way = await desk.follow(answer.headers["location"])
    assert (way[-1], "Lee Adler" in page.text) == (f"{MAIN}/", True)


async def test_a_tap_at_an_open_desk_locks_it(house: Front) -> None:
    """Whoever taps is not who works there; a look at the record needs a proof from then on."""
    desk = await with_badge(house)
    assert "<h1>Your PIN</h1>" in (await tapped(desk, NOBODY_S)).text
    assert (await desk.get(f"{MAIN}/")).headers["location"] == "/unlock"


# What a number is worth


async def test_a_number_alone_opens_and_tells_nothing(house: Front) -> None:
    """Somebody's, nobody's and no number at all: the same page, the same words for a wrong PIN, and the desk is as before."""
    desk = await with_badge(house)
    await desk.post(f"{MAIN}/lock")
    pages, refusals = set(), set()
    for badge in (BADGE, NOBODY_S, "?", "284917"):
        page = await tapped(desk, badge)
        pages.add((page.status_code, re.sub(r'name="tap" value="[^"]*"', "", page.text)))
        refused = await then_pin(desk, page, WRONG)
        refusals.add((refused.status_code, re.sub(r'name="tap" value="[^"]*"', "", refused.text)))
    assert len(pages) == len(refusals) == 1
    assert "Okoye" not in str(pages | refusals)
    assert await house.events("session.switched", "session.unlocked") == []


async def test_a_wrong_pin_takes_as_long_for_nobody_s_badge(house: Front) -> None:
    """The hash is computed all the same."""
    desk = await with_badge(house)
    took: dict[str, list[float]] = {BADGE: [], NOBODY_S: []}
    for _ in range(3):
        for badge, times in took.items():
            page = await tapped(desk, badge)
            begun = time.process_time()
            await then_pin(desk, page, WRONG)
            times.append(time.process_time() - begun)
    known, unknown = (statistics.median(times) for times in took.values())
    assert min(known, unknown) > 0.5 * max(known, unknown)
    assert min(known, unknown) > 0.03, "the PIN was not hashed"


async def test_tries_end_after_fifteen_for_a_badge_known_or_not(house: Front) -> None:
    """In the same words, at whatever devices; an hour later it works again."""
    await with_badge(house)
    for badge in (BADGE, NOBODY_S):
        said = []
        for _ in range(2):
            desk = house.tab()
            await desk.enrol()
            page = await tapped(desk, badge)
            said += ["Too many PINs" in (await then_pin(desk, page, WRONG)).text for _ in range(8)]
        assert said == [False] * 15 + [True]
    desk = house.tab()
    await desk.enrol()
    assert "Too many PINs" in (await then_pin(desk, await tapped(desk, BADGE))).text
    assert {e["reason"] for e in await house.events("login.failed")} == {"pin-wrong", "pin-limited"}


async def test_numbers_guessed_in_rows_close_the_device(house: Front) -> None:
    """One PIN for many badges: after twenty wrong ones not even the right one opens here, and it does at another desk."""
    await with_badge(house)
    desk, other = house.tab(), house.tab()
    for one in (desk, other):
        await one.enrol()
    for row in range(20):
        await then_pin(desk, await tapped(desk, f"77{row:04d}"), WRONG)
    assert "Too many PINs" in (await then_pin(desk, await tapped(desk, BADGE))).text
    assert (await then_pin(other, await tapped(other, BADGE))).status_code == 303


async def test_a_right_pin_does_not_count_against_the_device(house: Front) -> None:
    """A desk that is used thirty times an hour goes on."""
    desk = await with_badge(house)
    for _ in range(22):
        await desk.post(f"{MAIN}/lock")
        assert (await then_pin(desk, await tapped(desk, BADGE))).status_code == 303


@pytest.mark.parametrize("on", [None, Invitation("Phone 12", "", Ownership.ISSUED)], ids=["unknown", "issued"])
async def test_a_badge_works_at_enrolled_shared_devices_only(house: Front, on: Invitation | None) -> None:
    """Anywhere else the number is not even looked up."""
    await with_badge(house)
    tab = house.tab()
    if on is not None:
        await tab.enrol(on)
    page = await tapped(tab, BADGE)
    assert (page.status_code, "A badge does nothing here" in page.text) == (403, True)


async def test_a_tap_is_for_its_device_and_for_two_minutes_and_once(house: Front) -> None:
    """Copied to another desk, late, or a second time it has to be tapped again."""
    desk, other = await with_badge(house), house.tab()
    await other.enrol()
    page = await tapped(desk, BADGE)
    assert "Tap your badge again" in (await then_pin(other, page)).text
    assert (await then_pin(desk, page)).status_code == 303
    assert "Tap your badge again" in (await then_pin(desk, page)).text
    late = await tapped(desk, BADGE)
    house.clock.step += 121
    assert "Tap your badge again" in (await then_pin(desk, late)).text


async def test_the_pin_needs_the_device_s_proof_too(house: Front) -> None:
    """Copied cookies and a copied page prove nothing elsewhere."""
    desk = await with_badge(house)
    await desk.post(f"{MAIN}/lock")
    page = await tapped(desk, BADGE)
    key, desk.key = desk.key, None
    assert "A badge does nothing here" in (await then_pin(desk, page)).text
    desk.key = key
    assert (await then_pin(desk, page)).status_code == 303


async def test_a_clinician_of_two_roles_chooses_at_the_provider(house: Front) -> None:
    """A badge does not say in which of two shifts one is back."""
    await with_badge(house)
    house.provider.claims = {"roles": ["doctor"]}
    second = house.tab()
    await second.sign_on()
    desk = house.tab()
    await desk.enrol()
    answer = await then_pin(desk, await tapped(desk, BADGE))
    assert answer.headers["location"].startswith(house.provider.issuer)


# Registered


async def test_a_badge_is_one_clinician_s(house: Front) -> None:
    """The second one is told so; after the first has removed it, it is free."""
    first = await with_badge(house)
    house.provider.claims = LEE
    second = await with_badge(house, LEE_S)
    refused = await second.post(f"{MAIN}/shift/badge", {"badge": BADGE.lstrip("0")})
    assert (refused.status_code, "registered to somebody else" in refused.text) == (422, True)
    assert BADGE.lstrip("0") not in refused.text
    page = await first.get(f"{MAIN}/shift/badge")
    found = re.search(r'name="id" value="([^"]*)"', page.text)
    assert found is not None
    await second.post(f"{MAIN}/shift/badge/forget", {"id": found[1]})
    await first.post(f"{MAIN}/shift/badge/forget", {"id": found[1]})
    assert (await second.post(f"{MAIN}/shift/badge", {"badge": BADGE})).status_code == 303
    told = [
        (e["type"], e["subject"], e.get("reason"))
        for e in await house.events("badge.registered", "badge.refused", "badge.forgotten")
    ]
    assert told == [
        ("badge.registered", "n.okoye", None), ("badge.registered", "dr.lee", None), ("badge.refused", "dr.lee", "taken"),
        ("badge.forgotten", "n.okoye", None), ("badge.registered", "dr.lee", None),
    ]  # fmt: skip


async def test_badges_are_few_and_readable(house: Front) -> None:
    """Four; the same twice and what is no number are refused with the reason."""
    tab = await with_badge(house)
    for badge, says in ((BADGE, "is yours already"), ("12", "no badge number")):
        assert says in (await tab.post(f"{MAIN}/shift/badge", {"badge": badge})).text
    for badge in ("100001", "100002", "100003"):
        assert (await tab.post(f"{MAIN}/shift/badge", {"badge": badge})).status_code == 303
    assert "remove one first" in (await tab.post(f"{MAIN}/shift/badge", {"badge": "100004"})).text
    assert "Remove one to register another" in (await tab.get(f"{MAIN}/shift/badge")).text


async def test_a_badge_is_registered_after_a_fresh_proof(house: Front) -> None:
    """A session that was left open makes nobody's badge its own."""
    tab = await with_badge(house)
    house.clock.step = 280
    await tab.get(f"{MAIN}/")
    house.clock.step = 301
    assert "first show that it is you" in (await tab.get(f"{MAIN}/shift/badge")).text
    assert (await tab.post(f"{MAIN}/shift/badge", {"badge": "100001"})).headers["location"] == "/shift/badge"
    assert len(await house.events("badge.registered")) == 1


async def test_a_number_stands_in_no_store_log_journal_or_address(
    house: Front, capfd: pytest.CaptureFixture[str]
) -> None:
    """Registered, tapped, refused: in no spelling of it."""
    desk = await with_badge(house)
    await desk.post(f"{MAIN}/lock")
    for badge in (BADGE, NOBODY_S):
        await then_pin(desk, await tapped(desk, badge), WRONG)
    _, way = await came_in(desk, BADGE, "/shift")
    await house.running.closing.aclose()
    held = b"".join(path.read_bytes() for path in (house.folder / "data").rglob("*") if path.is_file())
    said = "".join(capfd.readouterr()) + json.dumps(way)
    for badge in (BADGE, NOBODY_S):
        for spelt in (badge, badge.lstrip("0")):
            assert spelt.encode() not in held
            assert spelt not in said


async def test_whose_badge_it_is_can_be_asked(house: Front) -> None:
    """In whatever way a reader types it; nobody's is nobody's."""
    await with_badge(house)
    async with house.store() as store:
        seal = Seal.of((house.folder / "seal.key").read_bytes())
        badges = Badges(store, seal, house.running.journal, BadgesTable(), house.clock)
        assert await badges.whose("4512987\n") == Holder(house.provider.issuer, "n.okoye")
        assert await badges.whose(NOBODY_S) is None
        assert await badges.whose("") is None


@pytest.mark.parametrize("path", ["/badge", "/badge/pin", "/shift/badge", "/shift/badge/forget"])
async def test_another_site_taps_nothing(house: Front, path: str) -> None:
    """Each is a form of our own pages."""
    desk = await with_badge(house)
    assert (
        await desk.post(MAIN + path, {"badge": BADGE}, **{**NAVIGATION, "sec-fetch-site": "same-site"})
    ).status_code == 403


async def test_without_readers_there_is_nothing_of_it(tmp_path: Path) -> None:
    """`badges.enabled` is off by default: no field, no page."""
    async with front(tmp_path) as house:
        tab = house.tab()
        await tab.enrol()
        assert "badge" not in (await tab.get(f"{MAIN}/sign-on")).text
        await tab.sign_on()
        assert "badge" not in (await tab.get(f"{MAIN}/shift")).text
        assert (await tab.post(f"{MAIN}/badge", {"badge": BADGE})).status_code == 404
