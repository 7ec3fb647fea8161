"""From the main host to a system's: tickets, codes that are good once, and the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.messages import Headers
from gateway.edge.cookies import SESSION, cookie
from gateway.edge.origins import NONCE, Asked, Bounce, Doors, asked
from gateway.sessions import Seat, Sessions
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, PAS
from policies.model import Device
from sso.seal import Seal

from .test_sessions import IDLE, LONGEST, Clock, proof

EPR = "epr.records.example.nhs.uk"
TARGET = b"/patient?nhs=9990001112&q=a%2Fb;c#"


class Floor:
    """One gateway's doors, with a clinician signed on."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock = Clock()
        self.sessions = Sessions(store, self.clock, longest=LONGEST)
        self.doors = Doors(store, self.sessions, self.clock, f"https://{MAIN}", "https")

    async def sign_on(self) -> Seat:
        seat, _, _ = await self.sessions.sign_on(proof(), Device(), MAIN, idle=IDLE, previous=None)
        return seat

    async def ticket(self, host: str = PAS, headers: Headers = (), target: bytes = TARGET) -> tuple[str, Headers]:
        """A ticket, and the Cookie header that the browser keeps for this host."""
        bounce = await self.doors.to_main(host, target, headers)
        return asks(bounce)["ticket"], cookies_of(bounce)

    async def code(self, seat: Seat, host: str = PAS) -> tuple[str, Headers]:
        ticket, kept = await self.ticket(host)
        bounce = await self.doors.to_system(ticket, seat)
        assert bounce is not None
        return asks(bounce)["code"], kept


def asks(bounce: Bounce) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(bounce.location).query).items()}


def cookies_of(bounce: Bounce) -> Headers:
    lines = [value.partition(b";") for name, value in bounce.headers if name == b"set-cookie"]
    return tuple((b"cookie", pair) for pair, _, rest in lines if b"Max-Age=0" not in rest)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    store = SqliteStore(tmp_path / "sessions.db", Seal([b"k" * 32]))
    yield Floor(store)
    await store.close()


async def test_a_session_comes_to_a_system_s_host_and_to_the_page_that_was_asked_for(floor: Floor) -> None:
    """Byte for byte (HTTP-181, 182, 184, 185); the cookie is that host's own and opens no other."""
    seat = await floor.sign_on()
    code, kept = await floor.code(seat)
    bounce = await floor.doors.enter(PAS, code, kept)
    assert bounce is not None
    assert bounce.location == f"https://{PAS}{TARGET.decode()}"
    token = cookie(cookies_of(bounce), SESSION)
    assert token is not None
    there = await floor.sessions.seated(token, PAS)
    assert there is not None
    assert there.session.id == seat.session.id
    assert there.session.hosts == (PAS,)
    assert await floor.sessions.seated(token, MAIN) is None
    assert any(NONCE in value and b"Max-Age=0" in value for _, value in bounce.headers)


async def test_no_address_of_ours_names_the_page(floor: Floor) -> None:
    """It may name a patient: it stays on the server, between the ticket and the code."""
    seat = await floor.sign_on()
    bounce = await floor.doors.to_main(PAS, TARGET, ())
    onward = await floor.doors.to_system(asks(bounce)["ticket"], seat)
    assert onward is not None
    assert "9990001112" not in bounce.location + onward.location
    assert all(b"9990001112" not in value for _, value in bounce.headers)


@pytest.mark.parametrize("late", [0.0, 29.5])
async def test_a_code_is_good_once_for_thirty_seconds(floor: Floor, late: float) -> None:
    """A copied address opens nothing afterwards, not even in the same browser."""
    code, kept = await floor.code(await floor.sign_on())
    floor.clock.at += late
    assert await floor.doors.enter(PAS, code, kept) is not None
    assert await floor.doors.enter(PAS, code, kept) is None


async def test_a_code_is_worth_nothing_after_thirty_seconds(floor: Floor) -> None:
    """To the second."""
    code, kept = await floor.code(await floor.sign_on())
    floor.clock.at += 30
    assert await floor.doors.enter(PAS, code, kept) is None


async def test_a_code_that_another_browser_brings_is_burned(floor: Floor) -> None:
    """Without the nonce's cookie, or with another's: nothing, and the right browser gets nothing for it either."""
    seat = await floor.sign_on()
    _, foreign = await floor.ticket()
    for headers in ((), foreign, ((b"cookie", NONCE + b"="),)):
        code, kept = await floor.code(seat)
        assert await floor.doors.enter(PAS, code, headers) is None
        assert await floor.doors.enter(PAS, code, kept) is None


async def test_a_nonce_that_comes_twice_is_none(floor: Floor) -> None:
    """A cookie tossed beside the right one makes the right one worthless."""
    code, kept = await floor.code(await floor.sign_on())
    assert await floor.doors.enter(PAS, code, (*kept, (b"cookie", NONCE + b"=" + b"a" * 43))) is None


async def test_a_code_for_one_host_opens_no_other(floor: Floor) -> None:
    """A system that reads its own address cannot spend the code elsewhere."""
    code, kept = await floor.code(await floor.sign_on())
    assert await floor.doors.enter(EPR, code, kept) is None


async def test_a_code_of_a_session_that_has_ended_opens_nothing(floor: Floor) -> None:
    """Signed off between the two redirects."""
    seat = await floor.sign_on()
    code, kept = await floor.code(seat)
    await floor.sessions.end_session(seat.session, "signed-off")
    assert await floor.doors.enter(PAS, code, kept) is None


async def test_a_ticket_is_good_once_and_is_no_code(floor: Floor) -> None:
    """Neither an invented, a used or a late ticket nor one at the wrong door."""
    seat = await floor.sign_on()
    ticket, kept = await floor.ticket()
    assert await floor.doors.enter(PAS, ticket, kept) is None
    assert await floor.doors.to_system(ticket, seat) is not None
    assert await floor.doors.to_system(ticket, seat) is None
    assert await floor.doors.to_system("invented", seat) is None
    late, _ = await floor.ticket()
    floor.clock.at += 900
    assert await floor.doors.to_system(late, seat) is None


async def test_two_tabs_may_enter_a_system_at_the_same_time(floor: Floor) -> None:
    """The second tab keeps the first one's nonce."""
    seat = await floor.sign_on()
    first, kept = await floor.ticket()
    second, kept_by_second = await floor.ticket(headers=kept)
    assert kept_by_second == kept
    for ticket in (second, first):
        bounce = await floor.doors.to_system(ticket, seat)
        assert bounce is not None
        assert await floor.doors.enter(PAS, asks(bounce)["code"], kept) is not None


async def test_a_page_that_looks_like_another_host_stays_at_its_own(floor: Floor) -> None:
    """`//evil.test` and `@evil.test` behind our host are paths of ours, not hosts."""
    seat = await floor.sign_on()
    for target in (b"//evil.test/", b"/@evil.test", b"/\\evil.test"):
        ticket, kept = await floor.ticket(target=target)
        onward = await floor.doors.to_system(ticket, seat)
        assert onward is not None
        bounce = await floor.doors.enter(PAS, asks(onward)["code"], kept)
        assert bounce is not None
        assert urlsplit(bounce.location).netloc == PAS


async def test_sign_off_visits_every_host_in_turn(floor: Floor) -> None:
    """Each takes our cookies back by name and clears its storage; the last leads to the end."""
    address = await floor.doors.first_of_sign_off((PAS, EPR), "https://end.example/")
    for host in (PAS, EPR):
        assert urlsplit(address).netloc == host
        stop = await floor.doors.sign_off_stop(host, parse_qs(urlsplit(address).query)["ticket"][0])
        assert (b"clear-site-data", b'"storage"') in stop.headers
        taken = [value.partition(b"=")[0] for name, value in stop.headers if name == b"set-cookie"]
        assert taken == [SESSION, NONCE]
        address = stop.location
    assert address == "https://end.example/"
    assert await floor.doors.first_of_sign_off((), "https://end.example/") == "https://end.example/"


async def test_a_sign_off_ticket_is_good_at_its_own_host_only(floor: Floor) -> None:
    """A link cannot sign anybody off, and a ticket for one host does nothing at another."""
    address = await floor.doors.first_of_sign_off((PAS,), "https://end.example/")
    stop = await floor.doors.sign_off_stop(EPR, parse_qs(urlsplit(address).query)["ticket"][0])
    assert stop.headers == ()
    invented = await floor.doors.sign_off_stop(PAS, "invented")
    assert (invented.location, invented.headers) == (f"https://{MAIN}/", ())


HTML = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
KINDS: dict[str, tuple[str, Headers, Asked]] = {
    "a navigation": ("GET", ((b"sec-fetch-dest", b"document"), HTML), Asked.DOCUMENT),
    "a frame": ("GET", ((b"sec-fetch-dest", b"frame"), HTML), Asked.FRAME),
    "an iframe": ("GET", ((b"sec-fetch-dest", b"iframe"), HTML), Asked.FRAME),
    "an embedded thing": ("GET", ((b"sec-fetch-dest", b"embed"),), Asked.FRAME),
    "a form sent into a frame": ("POST", ((b"sec-fetch-dest", b"frame"), HTML), Asked.FRAME),
    "a script's call that takes HTML": ("GET", ((b"sec-fetch-dest", b"empty"), HTML), Asked.BACKGROUND),
    "a picture": ("GET", ((b"sec-fetch-dest", b"image"),), Asked.BACKGROUND),
    "an old browser's navigation": ("GET", (HTML,), Asked.DOCUMENT),
    "an old browser's call": ("GET", ((b"accept", b"application/json"),), Asked.BACKGROUND),
    "no word at all": ("GET", (), Asked.BACKGROUND),
    "a form": ("POST", ((b"sec-fetch-dest", b"document"), HTML), Asked.BACKGROUND),
    "an old browser's form": ("POST", (HTML,), Asked.BACKGROUND),
}


@pytest.mark.parametrize("case", KINDS)
def test_each_kind_of_request_is_known(case: str) -> None:
    """By Sec-Fetch-Dest, else by method and Accept; a write is never a document that a redirect could serve."""
    method, headers, kind = KINDS[case]
    assert asked(method, headers) is kind
