"""One log-on through a login page: carried tokens, declared signs, one try, one origin."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import httpx2
import pytest

from connectors.base import Credential, UpstreamSession
from connectors.errors import CredentialRefused, PasswordChangeDue, SystemMisbehaves
from connectors.signs import Sign
from connectors.webform.form import FormPlace
from connectors.webform.log_on import LoginPage, LogOnWalk

FORM = b'<form action="check" method="post"><input type="hidden" name="t" value="7"><input name="u"><input name="p" type="password"></form>'
CARD = Credential("nurse", "secret-word")


class Old:
    """An old system that notes every request."""

    def __init__(self, after: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.after = after
        self.seen: list[httpx2.Request] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if request.url.path == "/app/login":
            return httpx2.Response(200, content=FORM, headers={"set-cookie": "PRE=1; Path=/"})
        return self.after(request)


async def log_on(old: Old, success: Sign | None = None, change: Sign | None = None) -> UpstreamSession:
    page = LoginPage(
        "/app/login",
        FormPlace("", "u", "p"),
        success or Sign(status=302, location="/home"),
        Sign(text=("Wrong",)),
        "utf-8",
        change or Sign(),
    )
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(old.answer)) as client:
        return await LogOnWalk("pas", "Old PAS", "http://old.test", page, client).walk(CARD)


def welcome(request: httpx2.Request) -> httpx2.Response:
    if request.url.path == "/app/check":
        return httpx2.Response(302, headers={"location": "http://old.test/home", "set-cookie": "SID=abc; Path=/"})
    return httpx2.Response(200, content=b"Welcome")


async def test_the_form_is_sent_once_with_its_token_and_cookie() -> None:
    """Hidden field, cookie from the page, Referer and Origin of the system's own; redirects inside it are followed."""
    old = Old(welcome)
    session = await log_on(old)
    sent = [r for r in old.seen if r.method == "POST"]
    assert len(sent) == 1
    assert parse_qs(sent[0].content.decode()) == {"t": ["7"], "u": ["nurse"], "p": ["secret-word"]}
    assert sent[0].headers["cookie"] == "PRE=1"
    assert sent[0].headers["origin"] == "http://old.test"
    assert {c["name"] for c in session.state["cookies"]} == {"PRE", "SID"}


async def test_a_refused_credential_is_told_and_not_tried_again() -> None:
    """One POST, and an error without the credential in it."""
    old = Old(lambda request: httpx2.Response(200, content=b"<p>Wrong password</p>"))
    with pytest.raises(CredentialRefused) as caught:
        await log_on(old)
    assert len([r for r in old.seen if r.method == "POST"]) == 1
    assert "secret-word" not in str(caught.value)


def wants_a_change(request: httpx2.Request) -> httpx2.Response:
    """Taken, led home, and from there to the page for a new password."""
    onward = {"/app/check": "/home", "/home": "/account/change?why=expired"}
    if request.url.path in onward:
        return httpx2.Response(302, headers={"location": onward[request.url.path]})
    return httpx2.Response(200, content=b"Choose a new password")


@pytest.mark.parametrize(
    "sign", [Sign(text=("Choose a new",)), Sign(location="/account/change"), Sign(status=200, location="/account/")]
)
async def test_a_forced_password_change_is_told_as_one(sign: Sign) -> None:
    """By its text or by where the log-on ends, also behind the sign of success; without the declared sign it looks like one."""
    with pytest.raises(PasswordChangeDue) as caught:
        await log_on(Old(wants_a_change), change=sign)
    assert "secret-word" not in str(caught.value)
    assert await log_on(Old(wants_a_change))


async def test_a_wrong_password_is_no_password_change() -> None:
    """A page of refusal that offers a change is a refusal."""
    old = Old(lambda request: httpx2.Response(200, content=b"Wrong. Choose a new password?"))
    with pytest.raises(CredentialRefused) as caught:
        await log_on(old, change=Sign(text=("Choose a new",)))
    assert not isinstance(caught.value, PasswordChangeDue)


async def test_neither_sign_is_a_changed_page() -> None:
    """What is neither success nor failure is not taken for success."""
    with pytest.raises(SystemMisbehaves, match="neither"):
        await log_on(Old(lambda request: httpx2.Response(200, content=b"Please read our news")))


async def test_a_credential_never_goes_to_another_origin() -> None:
    """A form whose action leads elsewhere, and a redirect that does, get nothing (COOKIE-048)."""

    class Evil(Old):
        def answer(self, request: httpx2.Request) -> httpx2.Response:
            self.seen.append(request)
            return httpx2.Response(200, content=FORM.replace(b'"check"', b'"http://evil.test/check"'))

    for old in (Evil(welcome), Old(lambda request: httpx2.Response(302, headers={"location": "http://evil.test/"}))):
        with pytest.raises(SystemMisbehaves, match="another address"):
            await log_on(old)
        assert {r.url.host for r in old.seen} == {"old.test"}


async def test_redirects_without_end_are_given_up() -> None:
    """A loop is told as one."""
    with pytest.raises(SystemMisbehaves, match="without end"):
        await log_on(Old(lambda request: httpx2.Response(302, headers={"location": "/app/loop"})))


@pytest.mark.parametrize(
    ("sign", "shown"),
    [
        (Sign(), False),
        (Sign(status=200), True),
        (Sign(status=302), False),
        (Sign(text=("hello", "Bett")), True),
        (Sign(text=("nothing",)), False),
        (Sign(status=200, text=("nothing",)), False),
        (Sign(cookie="SID"), True),
        (Sign(location="/in"), True),
        (Sign(location="/other"), False),
    ],
)
def test_a_sign_holds_when_all_of_it_does(sign: Sign, shown: bool) -> None:
    """And an empty sign never holds."""
    assert sign.shown(200, b"http://x/in/side", b"im Bett", "utf-8", frozenset({"SID"})) is shown
