"""The header connector says who is asking: exactly, and nothing where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from connectors.base import ConnectorTools, SystemConfig, UpstreamSession
from connectors.errors import NotBrokered
from connectors.header import HeaderConnector
from connectors.samples import ANOTHER, WHO, Asked, Signed, Wire
from policies.decision import Permit
from policies.model import Action, Principal

PERMIT = Permit(("rule",), "version", "hash")  # nobody was asked: tests only
LOOK = Asked(b"/orders", Action.ENTER)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def opened(clock: Clock | None = None, **options: Any) -> HeaderConnector:
    made = HeaderConnector(SystemConfig("orders", "Order entry", "http://orders.test", options, 65_536))
    await made.open(ConnectorTools(httpx2.AsyncClient, Signed(), clock or Clock(), Signed()))
    return made


async def told(made: HeaderConnector, who: Principal | None = WHO, *headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    inbound = replace(LOOK, headers=headers).inbound()
    inbound.who = who
    session = UpstreamSession("s", "orders", {"cookies": []})
    sent = (await made.prepare(inbound, PERMIT, session)).headers
    assert len(dict(sent)) == len(sent), "a header is said twice"
    return dict(sent)


async def test_each_header_says_what_is_declared() -> None:
    """Places are filled, the text around them stays, and the charset is the system's."""
    made = await opened(
        headers={
            "Remote-User": "TRUST\\{account}",
            "X-Name": "{name} ({role})",
            "X-Roles": "{roles}",
            "X-Sub": "{subject}",
            "X-Org": "{organisation}",
        },
        charset="iso-8859-1",
    )
    who = replace(WHO, name="Zoë Lee", roles=frozenset({"nurse", "doctor"}))
    assert await told(made, who) == {
        b"remote-user": b"TRUST\\lee",
        b"x-name": b"Zo\xeb Lee (Nurse)",
        b"x-roles": b"doctor,nurse",
        b"x-sub": b"lee@trust.test",
        b"x-org": b"A1",
    }


@pytest.mark.parametrize("name", [b"remote-user", b"remote_user", b"REMOTE.USER"])
async def test_what_the_browser_says_is_not_passed_on(name: bytes) -> None:
    """A system behind CGI or WSGI reads all these spellings as one."""
    made = await opened(headers={"Remote-User": "{account}"})
    assert await told(made, WHO, (name, b"admin"), (b"accept", b"*/*")) == {b"remote-user": b"lee", b"accept": b"*/*"}


@pytest.mark.parametrize(
    "who",
    [
        None,
        replace(WHO, subject=""),
        replace(WHO, subject="@trust.test"),
        replace(WHO, subject="lee\r\nX-Admin: 1"),
        replace(WHO, subject=" lee"),
        replace(WHO, subject="lee\u0142"),
    ],
)
async def test_who_cannot_be_named_is_not_let_in(who: Principal | None) -> None:
    """Empty, with a line break or with a letter that the charset has not: nobody becomes somebody else."""
    made = await opened(headers={"Remote-User": "{account}"}, charset="iso-8859-1")
    with pytest.raises(NotBrokered):
        await told(made, who)


async def test_the_assertion_is_about_whoever_asks_and_for_this_system() -> None:
    """Its claims, its audience; as Bearer where it is the Authorization."""
    made = await opened(assertion="Authorization", audience="urn:orders")
    word = (await told(made))[b"authorization"].decode()
    assert word.startswith("Bearer ")
    claims = json.loads(Signed().unseal(word.removeprefix("Bearer "), purpose="urn:orders"))
    assert claims == {
        "sub": "lee@trust.test", "name": "Nurse Lee", "role": "Nurse", "roles": ["nurse"], "org": "A1", "idp": "https://sso.test",
    }  # fmt: skip
    other = (await told(made, ANOTHER))[b"authorization"].decode().removeprefix("Bearer ")
    assert json.loads(Signed().unseal(other, purpose="urn:orders"))["sub"] == "okafor@trust.test"


async def test_an_assertion_is_signed_anew_long_before_it_ends() -> None:
    """It is good for a minute; the same is sent for less than half of one, and not after the clock was set back."""
    clock, signed = Clock(), list[float]()

    class Counting(Signed):
        def assertion(self, audience: str, claims: Any) -> str:
            signed.append(clock.now)
            return super().assertion(audience, claims)

    made = await opened(clock, assertion="X-Word")
    await made.open(ConnectorTools(httpx2.AsyncClient, Signed(), clock, Counting()))
    for seconds in (0.0, 24.0, 26.0, 40.0, 52.0, -100.0):
        clock.now = Clock.now + seconds
        await told(made)
    assert [at - Clock.now for at in signed] == [0.0, 26.0, 52.0, -100.0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give `headers`"),
        ({"headers": {"Bad Name": "{subject}"}}, "`Bad Name` cannot be"),
        ({"headers": {"Cookie": "{subject}"}}, "`Cookie` cannot be"),
        ({"headers": {"X-User": "{nhs}"}}, "`{nhs}` is none of"),
        ({"headers": {"X-User": 1}}, "is a text"),
        ({"headers": {"X-User": "{subject}", "X_User": "{name}"}}, "name one header twice"),
        ({"headers": {"X-User": "{subject}"}, "assertion": "x.user"}, "name one header twice"),
    ],
)
def test_a_declaration_that_cannot_hold_is_refused(options: dict[str, Any], says: str) -> None:
    """At the start, with what to correct."""
    with pytest.raises(ValueError, match=says):
        HeaderConnector(SystemConfig("orders", "Order entry", "http://orders.test", options, 65_536))


async def test_it_is_asked_for_nothing_to_begin_with_and_health_is_an_answer() -> None:
    """A session is an empty jar; that the system answers at all is its health."""
    made = await opened(headers={"X-User": "{subject}"})
    wire = Wire(lambda request: httpx2.Response(403))
    async with wire.client() as client:
        session = await made.begin(client)
        assert (session.system, session.state, wire.asked) == ("orders", {"cookies": []}, [])
        await made.health(client)
    assert [str(request.url) for request in wire.asked] == ["http://orders.test/"]
