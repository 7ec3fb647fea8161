"""What the guard script is, and what it is told: who is signed on here, and until when."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from gateway.proxy.guarding import session_mark
from gateway.web.guard import PACKED, SCRIPT, VERSION

from .front import API, MAIN, NOWHERE, PAS, Front, Tab, front

OWN = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    async with front(tmp_path, shift={"idle": {"shared": "5m"}}) as running:
        yield running


async def state(tab: Tab, site: str = MAIN) -> httpx2.Response:
    return await tab.ask("GET", f"{site}/.lanyard/state", OWN)


async def active(tab: Tab, headers: dict[str, str] | None = None) -> httpx2.Response:
    return await tab.ask("POST", f"{MAIN}/.lanyard/active", OWN if headers is None else headers)


def test_the_script_is_at_most_four_kilobytes_as_served() -> None:
    """A ward's slow network carries it once; without comments and indent, and packed for whoever takes it packed."""
    assert len(PACKED) <= 4096
    assert gzip.decompress(PACKED) == SCRIPT
    assert b"//" not in SCRIPT.replace(b"://", b"")


@pytest.mark.parametrize("site", [MAIN, PAS, API])
async def test_the_script_is_the_same_on_every_origin(house: Front, site: str) -> None:
    """An address that names its bytes is good for ever; any other is asked for again soon."""
    tab = house.tab()
    for query, kept in ((f"?v={VERSION}", "immutable"), ("?v=0", "max-age=300"), ("", "max-age=300")):
        for packs in ("gzip, br", "identity"):
            answer = await tab.get(f"{site}/.lanyard/static/guard.js{query}", **{"accept-encoding": packs})
            assert answer.content == SCRIPT
            assert answer.headers["content-type"].startswith("text/javascript")
            assert kept in answer.headers["cache-control"]
            assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in packs else None)


async def test_the_state_says_who_is_here_and_until_when(house: Front) -> None:
    """The name, the roles, a mark of the session that opens nothing, and seconds."""
    tab = house.tab()
    await tab.sign_on()
    answer = await state(tab)
    said = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    [seated] = await house.events("session.seated")
    assert said["session"] == session_mark(seated["session"])
    assert said["name"] == seated["name"]
    assert said["roles"] == ["nurse"]
    assert said["locked"] is False
    assert 290 <= said["locks_in"] <= 300
    assert 11 * 3600 < said["ends_in"] <= 12 * 3600


async def test_asking_is_no_activity_and_typing_is(house: Front) -> None:
    """A page that is left open runs out all the same."""
    tab = house.tab()
    await tab.sign_on()
    house.clock.step += 200
    assert 95 <= (await state(tab)).json()["locks_in"] <= 100
    assert (await active(tab)).json()["locks_in"] >= 299
    house.clock.step += 280
    assert (await state(tab)).json()["locks_in"] <= 20
    house.clock.step += 25
    assert (await state(tab)).json()["locked"]
    assert (await active(tab)).json()["locked"], "typing unlocks nothing"


async def test_nobody_is_told_as_a_problem(house: Front) -> None:
    """401, for a script, on every origin; also for a cookie of another origin's."""
    tab = house.tab()
    assert (await state(tab)).headers["content-type"] == "application/problem+json"
    await tab.sign_on()
    tab.cookies[urlsplit(PAS).netloc] = dict(tab.cookies[urlsplit(MAIN).netloc])
    for site in (PAS, API):
        answer = await state(tab, site)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:lanyard:no-session")


@pytest.mark.parametrize(
    ("headers", "asks", "counts"),
    [
        ({"sec-fetch-site": "same-origin"}, 200, 200),
        ({"sec-fetch-site": "same-site"}, 403, 403),
        ({"sec-fetch-site": "cross-site", "origin": MAIN}, 403, 403),
        ({"sec-fetch-site": "none"}, 403, 403),
        ({"origin": MAIN}, 200, 200),
        ({"origin": PAS}, 403, 403),
        ({"origin": "null"}, 403, 403),
        ({}, 200, 403),
    ],
)
async def test_only_the_origin_s_own_pages_may_ask(
    house: Front, headers: dict[str, str], asks: int, counts: int
) -> None:
    """Another site's page learns nobody's name, and keeps nobody's session alive."""
    tab = house.tab()
    await tab.sign_on()
    answer = await tab.ask("GET", f"{MAIN}/.lanyard/state", {"accept": "*/*", **headers})
    assert answer.status_code == asks
    assert (await active(tab, {"accept": "*/*", **headers})).status_code == counts


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "state"), ("GET", "active"), ("DELETE", "active"), ("PUT", "state")]
)
async def test_nothing_else_is_there(house: Front, method: str, path: str) -> None:
    """One method for each address."""
    tab = house.tab()
    await tab.sign_on()
    assert (await tab.ask(method, f"{MAIN}/.lanyard/{path}", OWN)).status_code == 404


async def test_a_page_s_own_polling_is_no_activity(tmp_path: Path) -> None:
    """A route that is declared as background is answered, and keeps nobody's session alive; any other request does."""
    options = {
        "login_page": "/login", "username_field": "user", "password_field": "pass",
        "success": {"text": "Welcome"}, "failure": {"text": "Wrong"}, "logged_off": {"text": "Log in"},
        "routes": [{"id": "poll", "path": "/poll", "background": True}],
    }  # fmt: skip
    pas = {"name": "pas", "title": "PAS", "connector": "webform", "upstream": NOWHERE, "options": options}
    async with front(tmp_path, systems=[pas]) as house:
        tab = house.tab()
        await tab.sign_on()
        await tab.follow(f"{PAS}/")
        house.clock.step += 200
        await tab.ask("GET", f"{PAS}/poll", OWN)
        assert (await state(tab, PAS)).json()["locks_in"] <= 100
        await tab.ask("GET", f"{PAS}/list", OWN)
        assert (await state(tab, PAS)).json()["locks_in"] >= 299
