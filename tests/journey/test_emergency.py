"""A provider that is stopped: one clinician at a real browser, and three hundred at half past seven."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.config import load
from gateway.installation import opened_store
from policies.model import Ownership, Principal
from sso import unlock
from sso.device import Certificate, Enrolment, Invitation
from sso.last_sign_on import LastSignOn
from sso.session import PIN

from .desk import chooses_pin, passes, pictured
from .hospital import Hospital, hospital
from .test_devices import enrol, listening
from .test_passkeys import authenticator

T = TypeVar("T")

CLINICIANS, PCS, PER_SECOND = 300, 60, 10
PIN_OF_OKOYE = "284917"


# One clinician, one ward PC


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Hospital]:
    """By http at `localhost`, where Chromium gives passkeys; whoever works in the emergency department is a senior."""
    roles = {"nurse": "nurse", "doctor": "doctor", "ed": "senior"}
    with hospital(tmp_path, [], sso={"roles": roles}) as running:
        yield running


def signed_on(page: Page, login: str) -> None:
    page.get_by_role("button", name="Sign on").click()
    passes(page, login)


@pytest.mark.browser
@pytest.mark.counterpart
def test_a_ward_pc_signs_on_without_the_provider(place: Hospital, page: Page) -> None:
    """Enrolled by its key; PIN and passkey made while the provider was there. The sign-on page says what to do, both ways work."""
    complaints = listening(page)
    authenticator(page, "usb")
    enrol(place, page)
    page.goto(f"{place.url}/sign-on")
    signed_on(page, "n.okoye")
    chooses_pin(page, place.url, PIN_OF_OKOYE)
    page.get_by_role("link", name="Make a passkey").click()
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(f"{place.url}/shift")
    page.get_by_role("button", name="Sign off everywhere").click()
    page.goto(f"{place.url}/emergency")
    pictured(page, "emergency-provider-there")
    place.stop_provider()
    page.wait_for_timeout(10_000)  # as long as the gateway believes that the provider is there
    page.goto(f"{place.url}/sign-on?next=/shift")
    page.get_by_role("button", name="Sign on").click()
    expect(page.get_by_role("alert")).to_contain_text("The sign-on service does not answer")
    pictured(page, "emergency-sign-on-page")
    page.get_by_role("link", name="Emergency sign-on").click()
    page.get_by_label("Your login name").fill("n.okoye")
    page.get_by_label("Your PIN").fill("284918")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("does not fit")
    pictured(page, "emergency-wrong")
    page.get_by_label("Your login name").fill("n.okoye")
    page.get_by_label("Your PIN").fill(PIN_OF_OKOYE)
    page.get_by_role("button", name="Sign on for two hours").click()
    page.wait_for_url(f"{place.url}/shift")
    expect(page.get_by_text("N Okoye").first).to_be_visible()
    page.goto(place.url)
    expect(page.get_by_text("You signed on in an emergency")).to_be_visible()
    pictured(page, "emergency-signed-on")
    page.get_by_role("button", name="Sign off").click()
    page.wait_for_url(f"{place.url}/signed-off")
    page.goto(f"{place.url}/emergency")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{place.url}/")
    expect(page.get_by_text("N Okoye").first).to_be_visible()
    listed = [json.loads(line) for line in place.lanyard("emergency", "list", "--json").stdout.splitlines()]
    assert [(one["subject"], one["method"], one["device"]) for one in listed] == [
        ("n.okoye", "passkey", "Ward 7 PC 3"),
        ("n.okoye", "pin", "Ward 7 PC 3"),
    ]
    assert place.log().count("emergency sign-on") == 2
    assert "okoye" not in place.log().lower()
    assert complaints == []


@pytest.mark.browser
@pytest.mark.counterpart
def test_a_senior_s_word_and_one_s_own_pin(place: Hospital, chromium: Browser, page: Page) -> None:
    """A locum without a card, while the provider is there: a number at the senior's desk, typed at the locum's."""
    enrol(place, page)
    page.goto(f"{place.url}/sign-on")
    signed_on(page, "n.okoye")
    chooses_pin(page, place.url, PIN_OF_OKOYE)
    page.get_by_role("button", name="Sign off everywhere").click()
    context = chromium.new_context()
    senior = context.new_page()
    enrol(place, senior, "Ward 7 PC 4")
    senior.goto(f"{place.url}/sign-on")
    signed_on(senior, "dr.lee")
    senior.goto(f"{place.url}/shift")
    senior.get_by_role("link", name="Vouch for a colleague").click()
    pictured(senior, "emergency-vouch")
    senior.get_by_label("Their login name").fill("n.okoye")
    senior.get_by_role("button", name="Look").click()
    expect(senior.get_by_role("heading", name="Do you vouch for N Okoye?")).to_be_visible()
    pictured(senior, "emergency-vouch-confirm")
    senior.get_by_role("button", name="Yes, I vouch for them").click()
    number = senior.get_by_label("Number").inner_text()
    pictured(senior, "emergency-vouch-number")
    context.close()
    page.goto(f"{place.url}/sign-on")
    page.get_by_role("link", name="emergency sign-on").click()
    page.get_by_label("Your colleague’s number").first.fill(number)
    page.get_by_label("Your PIN").fill(PIN_OF_OKOYE)
    page.get_by_role("button", name="Sign on for two hours").click()
    page.wait_for_url(f"{place.url}/")
    expect(page.get_by_text("N Okoye").first).to_be_visible()
    (event,) = place.events(type="emergency.started")
    assert (event["subject"], event["vouched_by_name"], event["why"]) == ("n.okoye", "Lee Adler", "vouched")


# Half past seven


@dataclass(frozen=True)
class Clinician:
    number: int
    pin: str

    @property
    def name(self) -> str:
        return f"Nurse Number {self.number:03d}"

    @property
    def login(self) -> str:
        return f"nurse.{self.number:03d}"


def clinicians(pins: list[str]) -> list[Clinician]:
    return [Clinician(number, pins[number % len(pins)]) for number in range(CLINICIANS)]


def certificate_of(pc: int) -> Certificate:
    return Certificate("CN=Device CA", f"CN=ward-pc-{pc:02d}")


async def known(place: Hospital, ward: list[Clinician], hashes: dict[str, bytes]) -> None:
    """Everybody signed on at the provider within the week and set a PIN, and every PC is enrolled by its certificate: as the gateway
    keeps it."""
    now = time.time()
    async with opened_store(load(place.path, {})) as store:
        for one in ward:
            principal = Principal(place.issuer, f"s-{one.number}", one.name, "nurse", frozenset({"nurse"}), "RXX", 2)
            found = LastSignOn(principal, now - 6 * 86400, one.login)
            await store.put_last_sign_on(found, now + 86400)
            await store.put_factor(principal.issuer, principal.subject, PIN, hashes[one.pin])
        for pc in range(PCS):
            invitation = Invitation(f"Ward PC {pc:02d}", "Ward", Ownership.SHARED, managed=True)
            await store.put_device(Enrolment.of(invitation, now, certificate_of(pc)))


async def arrives(place: Hospital, http: httpx2.AsyncClient, one: Clinician) -> tuple[float, str, str]:
    """Signs on at one of the PCs and looks at the first page: seconds, whose page it is, and the cookie."""
    certificate = certificate_of(one.number % PCS)
    host = urlsplit(place.url).netloc
    headers = {"host": host, "sec-fetch-site": "same-origin", "sec-fetch-dest": "document", "accept": "text/html",
               "x-ssl-client-verify": "SUCCESS", "x-ssl-client-i-dn": certificate.issuer,
               "x-ssl-client-s-dn": certificate.subject}  # fmt: skip
    at = f"http://127.0.0.1:{place.port}"
    begun = time.monotonic()
    answer = await http.post(f"{at}/emergency", data={"who": one.login, "pin": one.pin}, headers=headers)
    assert answer.status_code == 303, (
        one,
        answer.status_code,
        re.findall(r'<h1>([^<]+)<|role="alert">([^<]+)<', answer.text),
    )
    cookie = next(c.partition(";")[0] for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-lanyard="))
    page = await http.get(f"{at}/", headers={**headers, "cookie": cookie})
    names = re.findall(r"Nurse Number \d{3}", page.text)
    return time.monotonic() - begun, names[0] if len(set(names)) == 1 else "", cookie


async def half_past_seven(place: Hospital, ward: list[Clinician]) -> list[tuple[float, str, str]]:
    """Whoever comes, comes: ten each second, whether those before them are served or not."""
    limits = httpx2.Limits(max_connections=CLINICIANS)
    async with httpx2.AsyncClient(limits=limits, timeout=600, trust_env=False) as http:

        async def comes(one: Clinician) -> tuple[float, str, str]:
            await asyncio.sleep(one.number / PER_SECOND)
            return await arrives(place, http, one)

        return list(await asyncio.gather(*(comes(one) for one in ward)))


def apart(work: Coroutine[Any, Any, T]) -> T:
    """To its end, in a thread of its own: where Chromium is open, its driver has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.mark.slow
@pytest.mark.counterpart
def test_three_hundred_at_half_past_seven_with_the_provider_stopped(tmp_path: Path) -> None:
    """All are signed on by PIN, each as themselves and as nobody else, each written down once and on the review list."""
    pins = [f"{28_4917 + 613 * number}" for number in range(PCS)]
    with ThreadPoolExecutor(2) as hashing:
        hashes: dict[str, bytes] = dict(zip(pins, hashing.map(unlock.kept, pins), strict=True))
    trusted: dict[str, Any] = {"trusted_proxies": ["127.0.0.1/32"]}
    ward = clinicians(pins)
    with hospital(tmp_path, [], started=False, gateway=trusted, audit={"reserve": "64MiB"}) as place:
        apart(known(place, ward, hashes))
        place.start()
        place.stop_provider()
        begun = time.monotonic()
        came = apart(half_past_seven(place, ward))
        took = time.monotonic() - begun
        seconds = sorted(one[0] for one in came)
        p95 = statistics.quantiles(seconds, n=20)[-1]
        print(f"\n{CLINICIANS} emergency sign-ons at {PER_SECOND}/s in {took:.1f} s")
        print(f"p50 {statistics.median(seconds):.2f} s, p95 {p95:.2f} s, longest {seconds[-1]:.2f} s")
        assert [name for _, name, _ in came] == [one.name for one in ward]
        assert len({cookie for _, _, cookie in came}) == CLINICIANS
        events = place.events(type="emergency.started")
        assert sorted(e["name"] for e in events) == [one.name for one in ward]
        assert {e["assurance"] for e in events} == {"offline"}
        assert len({e["shift"] for e in events}) == CLINICIANS
        on = {e["name"]: e["device_name"] for e in events}
        assert all(on[one.name] == f"Ward PC {one.number % PCS:02d}" for one in ward)
        listed = place.lanyard("emergency", "list", "--json").stdout.splitlines()
        assert len(listed) == CLINICIANS
        assert place.events(type="login.failed") == []
        assert place.lanyard("audit", "verify").returncode == 0
