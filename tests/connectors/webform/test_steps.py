"""Log-ons in several forms, in frames, by pages that refresh themselves: walked once, in order, inside the system's own origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from connectors.base import Credential, SystemConfig, UpstreamSession
from connectors.errors import CredentialRefused, SystemMisbehaves
from connectors.samples import Wire
from connectors.webform import WebformConnector

LEE = Credential("lee", "secret-word")
STEPS: list[dict[str, Any]] = [
    {"username_field": "userid"},
    {"password_field": "pwd", "press": "Log on"},
    {"when": {"text": "already logged on"}, "press": "Continue"},
    {"when": {"text": "Choose your location"}, "fields": {"location": "W7"}},
]
SIGNS: dict[str, Any] = {
    "login_page": "/login",
    "success": {"text": "Main menu", "cookie": "SID"},
    "failure": {"text": "not known"},
    "logged_off": {"text": "Please log on"},
}


@dataclass
class Old:
    """A system whose pages are told by their path; what was sent to each is kept in order."""

    pages: dict[str, str | tuple[int, str]]
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode()
        self.asked.append(f"{request.url.host}{path}")
        if request.method == "POST":
            self.sent.append(
                (path, {k: v[0] for k, v in parse_qs(request.content.decode(), keep_blank_values=True).items()})
            )
        page = self.pages[path.partition("?")[0]]
        if isinstance(page, tuple):
            return httpx2.Response(page[0], headers={"location": page[1]})
        headers = {"content-type": "text/html"} | ({"set-cookie": "SID=1; Path=/"} if "Main menu" in page else {})
        return httpx2.Response(200, headers=headers, text=page)


def form(action: str, *inputs: str) -> str:
    return f'<form method="post" action="{action}">{"".join(inputs)}</form>'


USER, PASSWORD = '<input name="userid">', '<input name="pwd" type="password">'


HIDDEN = '<input type="hidden" name="__VIEWSTATE" value="{}">'
BUTTONS = '<input type="submit" name="cancel" value="Cancel"><button name="go" value="1">Log on</button>'
LOCATIONS = '<select name="location"><option value="W3" selected>3<option value="W7">7</select>'


def stepwise(after: str) -> Old:
    """User name and password on a page each, `after` what comes then."""
    return Old(
        {
            "/login": "Please log on" + form("/user;jsessionid=0A1B", USER, HIDDEN.format("v1=")),
            "/user;jsessionid=0A1B": form("/password", PASSWORD, HIDDEN.format("v2="), BUTTONS),
            "/password": after,
            "/again": "Choose your location" + form("/location", LOCATIONS),
            "/location": "Main menu",
        }
    )


async def walked(old: Old, **options: Any) -> UpstreamSession:
    made = WebformConnector(SystemConfig("pas", "Old PAS", "http://old.test", {**SIGNS, **options}, 65_536))
    async with Wire(old).client() as client:
        return await made.log_on(LEE, client)


async def test_each_form_is_filled_in_its_turn() -> None:
    """User, password by the declared button, the question about another log-on, the location; hidden fields of each page carried."""
    old = stepwise(
        "already logged on"
        + form(
            "/again",
            '<input type="submit" name="no" value="Back">',
            '<input type="submit" name="yes" value="Continue">',
        )
    )
    session = await walked(old, steps=STEPS)
    assert old.sent == [
        ("/user;jsessionid=0A1B", {"__VIEWSTATE": "v1=", "userid": "lee"}),
        ("/password", {"__VIEWSTATE": "v2=", "go": "1", "pwd": "secret-word"}),
        ("/again", {"yes": "Continue"}),
        ("/location", {"location": "W7"}),
    ]
    assert [cookie["name"] for cookie in session.state["cookies"]] == ["SID"]


async def test_a_question_that_is_not_asked_is_not_answered() -> None:
    """After the password there is the menu already."""
    old = stepwise("Main menu")
    await walked(old, steps=STEPS)
    assert [path for path, _ in old.sent] == ["/user;jsessionid=0A1B", "/password"]


async def test_a_refusal_in_the_middle_ends_it() -> None:
    """A user name that is not known: the password is not sent at all."""
    old = stepwise("")
    old.pages["/user;jsessionid=0A1B"] = "That user is not known" + form("/password", PASSWORD)
    with pytest.raises(CredentialRefused):
        await walked(old, steps=STEPS)
    assert [path for path, _ in old.sent] == ["/user;jsessionid=0A1B"]


async def test_a_form_in_a_frame_is_found() -> None:
    """In a frame of a frameset, and not in one of another origin, which is not even asked for."""
    old = Old(
        {
            "/login": '<frameset><frame src="http://evil.test/x"><frame src="banner"><frame src="inner/logon"></frameset>',
            "/banner": "<p>Northwick</p>",
            "/inner/logon": form("do", USER, PASSWORD),
            "/inner/do": "Main menu",
        }
    )
    await walked(old, username_field="userid", password_field="pwd")
    assert old.sent == [("/inner/do", {"userid": "lee", "pwd": "secret-word"})]
    assert not any(asked.startswith("evil") for asked in old.asked)


@pytest.mark.parametrize(
    "page",
    [
        '<meta http-equiv="refresh" content="0; url=/menu">',
        "<META HTTP-EQUIV=Refresh CONTENT=\"3;URL='/menu'\">",
        '<html><head><meta content="0,/menu" http-equiv="REFRESH"></head></html>',
    ],
)
async def test_a_page_that_leads_on_by_itself_is_followed(page: str) -> None:
    """As browsers do, without a script."""
    await walked(
        Old({"/login": form("/do", USER, PASSWORD), "/do": page, "/menu": "Main menu"}),
        username_field="userid",
        password_field="pwd",
    )


async def test_a_page_that_refreshes_itself_later_is_stayed_at() -> None:
    """A login page that is loaded anew after some minutes is a login page."""
    old = Old(
        {
            "/login": '<meta http-equiv="refresh" content="600; url=/other">' + form("/do", USER, PASSWORD),
            "/do": "Main menu",
        }
    )
    await walked(old, username_field="userid", password_field="pwd")
    assert old.asked == ["old.test/login", "old.test/do"]


@pytest.mark.parametrize("to", ["http://evil.test/", "/do2"])
async def test_a_refresh_leads_nowhere_else_and_not_without_end(to: str) -> None:
    """Neither to another origin nor in circles."""
    old = Old({"/login": form("/do", USER, PASSWORD), "/do": f'<meta http-equiv="refresh" content="0;url={to}">'})
    old.pages["/do2"] = old.pages["/do"]
    with pytest.raises(SystemMisbehaves):
        await walked(old, username_field="userid", password_field="pwd")
    assert not any(asked.startswith("evil") for asked in old.asked)
    assert len(old.sent) == 1


async def test_a_button_that_is_gone_is_named() -> None:
    """The page has changed: nothing is sent with another button."""
    old = stepwise("")
    old.pages["/user;jsessionid=0A1B"] = form("/password", PASSWORD)
    with pytest.raises(SystemMisbehaves, match="no button `Log on`"):
        await walked(old, steps=STEPS)
    assert [path for path, _ in old.sent] == ["/user;jsessionid=0A1B"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either `username_field`"),
        ({"username_field": "u"}, "`password_field` stands in 0"),
        ({"username_field": "u", "password_field": "p", "steps": []}, "either `username_field`"),
        (
            {"steps": [{"username_field": "u", "password_field": "p"}], "press": "x"},
            "`press` belongs into one of the `steps`",
        ),
        (
            {"steps": [{"username_field": "u", "password_field": "p"}, {"password_field": "p"}]},
            "`password_field` stands in 2",
        ),
        ({"steps": [{"username_field": "u", "password_field": "p", "when": {"text": "x"}}]}, "leave its `when` out"),
        (
            {"steps": [{"username_field": "u", "password_field": "p"}, {"when": {"word": "x"}, "press": "y"}]},
            "number 2: `when` holds",
        ),
        ({"steps": [{"username_field": "u", "password_field": "p"}, {"pres": "y"}]}, "number 2: `pres` is none of"),
        ({"steps": [{"username_field": "u", "password_field": "p"}, {"press": 1}]}, "number 2: `press` is a text"),
        ({"steps": [{"username_field": "u", "password_field": "p"}, {}]}, "number 2: say which form"),
        ({"steps": [{"username_field": "u", "password_field": "p", "fields": {"a": 1}}]}, "`fields` holds texts"),
        ({"steps": ["x"]}, "number 1: it is a table"),
    ],
)
def test_a_declaration_that_cannot_hold_is_refused(options: dict[str, Any], says: str) -> None:
    """The credential is typed once, in the form that asks for it."""
    with pytest.raises(ValueError, match=says):
        WebformConnector(SystemConfig("pas", "Old PAS", "http://old.test", {**SIGNS, **options}, 65_536))
