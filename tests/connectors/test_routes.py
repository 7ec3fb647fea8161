"""Route tables: one reading of a path, the patient where it is declared, and tables that cannot be meant refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import BadRequest, BodyTooLarge
from connectors.messages import Body, InboundRequest
from connectors.routes import RouteError, RouteTable, is_nhs_number
from policies.model import Action, Disclosure, PatientRef

TABLE: list[dict[str, Any]] = [
    {"id": "css", "path": "/static/{rest...}", "asset": True},
    {"id": "ward", "path": "/ward/{ward}/list", "action": "list", "kind": "list"},
    {"id": "read", "path": "/patient/{id}", "action": "read", "kind": "note", "patient": {"in": "path", "name": "id"}},
    {
        "id": "find",
        "path": "/find",
        "action": "read",
        "kind": "note",
        "patient": {"in": "query", "name": "hosp"},
        "parameters": ["hosp"],
    },
    {"id": "nhs", "path": "/nhs", "patient": {"in": "query", "name": "n", "namespace": "nhs-number"}, "action": "read"},
    {
        "id": "save",
        "methods": ["POST"],
        "path": "/save",
        "action": "write",
        "patient": {"in": "form", "name": "hosp"},
        "limit": 64,
    },
    {
        "id": "json",
        "methods": ["POST"],
        "path": "/json",
        "action": "write",
        "patient": {"in": "json", "name": "/patient/ids/0"},
    },
    {"id": "page", "path": "/übersicht", "patient": {"in": "answer", "pattern": "No: (H[0-9]+)"}, "action": "read"},
]


def table(charset: str = "utf-8") -> RouteTable:
    return RouteTable.declared(TABLE, charset=charset, system="pas")


def asked(target: bytes, method: str = "GET", body: bytes = b"") -> InboundRequest:
    return InboundRequest("r", method, target, (), Body.of(body))


async def patients(request: InboundRequest) -> set[str]:
    described = await table().describe(request)
    assert described is not None
    return {ref.value for ref in described[1].patients}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(b"/patient/H1"), {"H1"}),
        (asked(b"/patient/H%31"), {"H1"}),
        (asked(b"/find?x=1&hosp=H2"), {"H2"}),
        (asked(b"/find?h%6Fsp=H2"), {"H2"}),
        (asked(b"/find?hosp=H2&hosp=H2"), {"H2"}),
        (asked(b"/find"), set()),
        (asked(b"/nhs?n=999+000+0018"), {"9990000018"} if is_nhs_number("9990000018") else set()),
        (asked(b"/nhs?n=1234567890"), set()),
        (asked(b"/save", "POST", b"a=b&hosp=H%203"), {"H 3"}),
        (asked(b"/json", "POST", b'{"patient":{"ids":["H4"]}}'), {"H4"}),
    ],
    ids=lambda v: v.target.decode() if isinstance(v, InboundRequest) else "",
)
async def test_the_patient_is_where_the_route_says(request_: InboundRequest, expected: set[str]) -> None:
    """In the path, the query, the form or the JSON, decoded once."""
    assert await patients(request_) == expected


async def test_two_patients_in_one_parameter_are_refused() -> None:
    """Systems read the first or the last: we say no."""
    with pytest.raises(BadRequest):
        await table().describe(asked(b"/find?hosp=H1&hosp=H2"))


async def test_a_body_is_read_up_to_its_limit_only() -> None:
    """What is longer is refused before it goes anywhere."""
    with pytest.raises(BodyTooLarge):
        await table().describe(asked(b"/save", "POST", b"hosp=" + b"9" * 100))


async def test_a_body_that_was_read_is_still_sent_whole() -> None:
    """Reading ahead takes nothing away."""
    request = asked(b"/save", "POST", b"hosp=H1&note=x")
    await table().describe(request)
    assert b"".join([chunk async for chunk in request.body.chunks()]) == b"hosp=H1&note=x"


@pytest.mark.parametrize(
    "path", [b"/patient", b"/patient/", b"/patient/a/b", b"/Patient/a", b"/ward//list", b"/static", b"/"]
)
async def test_what_is_not_exactly_a_route_is_none(path: bytes) -> None:
    """No prefix, no other case, no empty segment."""
    assert await table().describe(asked(path)) is None


async def test_an_action_says_how_much_is_shown_and_whether_it_changes() -> None:
    """Disclosure and changing follow from the action unless they are declared."""
    for target, method, action, disclosure, changing in (
        (b"/patient/1", "GET", Action.READ, Disclosure.OPENED, False),
        (b"/ward/7/list", "GET", Action.LIST, Disclosure.LISTED, False),
        (b"/json", "POST", Action.WRITE, Disclosure.CHANGED, True),
    ):
        described = await table().describe(asked(target, method, b"{}"))
        assert described is not None
        assert (described[0], described[1].disclosure, described[1].changing) == (action, disclosure, changing)


async def test_a_path_in_another_charset_is_decoded_in_it() -> None:
    """`%FC` is ü in Windows-1252 and no letter in UTF-8."""
    assert await table("windows-1252").describe(asked(b"/%FCbersicht"))
    assert await table("utf-8").describe(asked(b"/%FCbersicht")) is None


def test_the_answer_s_patients_are_found() -> None:
    """Every one, in the page's bytes."""
    seen = table("windows-1252").patients_in(asked(b"/%FCbersicht"), b"<b>No: H1</b> No: H22 No: x")
    assert seen == {PatientRef("system:pas", "H1"), PatientRef("system:pas", "H22")}


def test_only_declared_parameters_are_named() -> None:
    """The journal names what the route names."""
    assert table().named_parameters(asked(b"/find?hosp=H1&secret=x")) == (("hosp", "H1"),)
    assert table().named_parameters(asked(b"/patient/1?hosp=2")) == ()


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"id": "a"}, "path"),
        ({"id": "a", "path": "x"}, "path"),
        ({"path": "/x"}, "id"),
        ({"id": "a", "path": "/x", "acton": "read"}, "acton"),
        ({"id": "a", "path": "/x", "action": "look"}, "look"),
        ({"id": "a", "path": "/x", "patient": {"in": "cookie"}}, "patient.in"),
        ({"id": "a", "path": "/x", "patient": {"in": "path", "name": "id"}}, "{id}"),
        ({"id": "a", "path": "/x", "patient": {"in": "answer", "pattern": "["}}, "pattern"),
        ({"id": "a", "path": "/x", "patient": {"in": "answer", "pattern": "x"}}, "group"),
        ({"id": "a", "path": "/x", "patient": {"in": "query"}}, "name"),
        ({"id": "a", "path": "/x", "methods": ["POST"], "asset": True}, "asset"),
        ({"id": "a", "path": "/x", "methods": ["POST"], "action": "write", "background": True}, "background"),
        ({"id": "css", "path": "/other"}, "two routes"),
        ({"id": "b", "path": "/patient/{other}"}, "same requests"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(route: dict[str, Any], said: str) -> None:
    """The route and the remedy are named."""
    with pytest.raises(RouteError, match=said.replace("{", r"\{")):
        RouteTable.declared([*TABLE, route], charset="utf-8", system="pas")


@pytest.mark.parametrize(
    ("number", "good"), [("9434765919", True), ("9434765918", False), ("1111111111", False), ("943476591", False)]
)
def test_the_check_digit_is_checked(number: str, good: bool) -> None:
    """Modulus 11, and never ten equal digits."""
    assert is_nhs_number(number) is good


@given(st.binary(max_size=80), st.binary(max_size=80))
async def test_no_target_breaks_the_matcher(path: bytes, query: bytes) -> None:
    """Whatever bytes come, there is a route or none, or a clear refusal."""
    try:
        await table("windows-1252").describe(asked(b"/" + path + b"?" + query))
    except BadRequest:
        return


def test_only_a_declared_route_is_background() -> None:
    """What no route names is somebody's doing."""
    polls = RouteTable.declared(
        [*TABLE, {"id": "poll", "path": "/poll/{rest...}", "background": True}], charset="utf-8", system="pas"
    )
    assert polls.is_background(asked(b"/poll/new?since=1"))
    assert not polls.is_background(asked(b"/ward/7/list"))
    assert not polls.is_background(asked(b"/nowhere"))


def test_a_system_keeps_the_patient_where_only_an_answer_names_one() -> None:
    """A list that names many says nothing of it, nor does a page whose address names its patient as well."""
    answer = {"in": "answer", "pattern": "No: (H[0-9]+)"}
    page = {"id": "notes", "path": "/notes", "action": "read", "patient": answer}
    named = page | {"path": "/notes/{id}", "patient": [answer, {"in": "path", "name": "id"}]}
    for routes, keeps in (([page], True), ([page | {"action": "list"}], False), ([named], False), ([], False)):
        assert RouteTable.declared(routes, charset="utf-8", system="pas").keep_patient is keeps
