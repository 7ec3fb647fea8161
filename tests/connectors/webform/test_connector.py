"""The webform connector: what it says of a request, what it sends, what it reads, without a network."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from connectors.base import SystemConfig, UpstreamSession
from connectors.errors import NotBrokered
from connectors.messages import Body, InboundRequest, UpstreamResponse
from connectors.webform import WebformConnector
from policies.decision import Permit
from policies.model import Action

OPTIONS: dict[str, Any] = {
    "login_page": "/login",
    "username_field": "u",
    "password_field": "p",
    "success": {"status": 302},
    "failure": {"text": "no"},
    "logged_off": {"text": 'name="p"'},
    "routes": [
        {"id": "page", "path": "/page", "action": "read", "patient": {"in": "answer", "pattern": "No: (H[0-9]+)"}}
    ],
}
PERMIT = Permit(("r",), "v", "h")


def connector(**more: Any) -> WebformConnector:
    return WebformConnector(SystemConfig("pas", "Old PAS", "http://old.test", {**OPTIONS, **more}, 1024))


def asked(target: bytes = b"/page", method: str = "GET", *headers: tuple[bytes, bytes]) -> InboundRequest:
    return InboundRequest("r", method, target, headers, Body.of(b""))


def html(text: bytes, kind: bytes = b"text/html", *more: tuple[bytes, bytes]) -> UpstreamResponse:
    return UpstreamResponse(200, ((b"content-type", kind), *more), Body.of(text))


def session() -> UpstreamSession:
    return UpstreamSession("s1", "pas", {"cookies": []})


async def test_an_unnamed_request_is_a_page_and_an_unnamed_write_a_write() -> None:
    """Nothing passes without a name in the journal; `refuse` lets nothing unnamed pass."""
    assert (await connector().describe(asked(b"/other")))[0] is Action.ENTER
    action, resource = await connector().describe(asked(b"/other", "POST"))
    assert (action, resource.changing) == (Action.WRITE, True)
    with pytest.raises(NotBrokered):
        await connector(unnamed="refuse").describe(asked(b"/other"))


async def test_the_target_goes_on_byte_for_byte() -> None:
    """Odd escapes and charsets are the system's business."""
    target = b"/p%FCge;a=%2c?x=%zz&y=\"{}'"
    assert (await connector().prepare(asked(target), PERMIT, session())).target == target


async def test_the_system_s_cookies_are_kept_here_and_sent_there() -> None:
    """A cookie of an answer comes back to the system in the next request."""
    made, live = connector(), session()
    assert await made.absorb(live, asked(), html(b"x", b"text/html", (b"set-cookie", b"SID=1; Path=/")))
    assert live.state["cookies"]
    sent = await made.prepare(asked(b"/page", "GET", (b"cookie", b"theme=dark")), PERMIT, live)
    assert [v for n, v in sent.headers if n == b"cookie"] == [b"theme=dark; SID=1"]


async def test_cookies_that_another_gateway_was_given_are_the_ones_that_are_sent() -> None:
    """The session is read anew then, and is the same one: what was sent before counts no more."""
    made, live = connector(), session()
    await made.absorb(live, asked(), html(b"x", b"text/html", (b"set-cookie", b"SID=1; Path=/")))
    await made.prepare(asked(), PERMIT, live)
    elsewhere = [{**live.state["cookies"][0], "value": "2"}]
    sent = await made.prepare(asked(), PERMIT, UpstreamSession(live.id, "pas", {"cookies": elsewhere}))
    assert (b"cookie", b"SID=2") in sent.headers


async def test_two_sessions_have_two_jars() -> None:
    """One session's cookie is never sent for another."""
    made, one, two = connector(), session(), UpstreamSession("s2", "pas", {"cookies": []})
    await made.absorb(one, asked(), html(b"x", b"text/html", (b"set-cookie", b"SID=1; Path=/")))
    assert b"cookie" not in dict((await made.prepare(asked(), PERMIT, two)).headers)


async def test_a_log_off_is_noticed_in_pages_only() -> None:
    """The login form in a page is the sign; the same bytes in a picture are not."""
    assert await connector().is_logged_off(html(b'<input name="p">'))
    assert not await connector().is_logged_off(html(b'<input name="p">', b"image/png"))
    assert not await connector().is_logged_off(html(b"<p>record"))


async def test_patients_are_read_from_the_first_64_kib_and_the_page_stays_whole() -> None:
    """Reading ahead takes nothing away, and what comes later is not looked for."""
    page = html(b"No: H1" + b" " * 70_000 + b"No: H2")
    seen = await connector().disclosed(asked(), page)
    assert {ref.value for ref in seen} == {"H1"}
    assert len(b"".join([chunk async for chunk in page.body.chunks()])) == 70_012


async def test_health_asks_for_the_login_page() -> None:
    """Reaching it is being well."""
    asked_for: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked_for.append(request.url.path)
        return httpx2.Response(200)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        await connector().health(client)
    assert asked_for == ["/login"]
