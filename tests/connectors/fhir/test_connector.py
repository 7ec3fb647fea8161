"""FHIR questions, answers and pages: which patient, which kind, and nothing that cannot be read."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import ConnectorTools, SystemConfig
from connectors.errors import AnswerTooLarge, BadRequest, ConnectorError, NotBrokered, SystemMisbehaves
from connectors.fhir import FhirConnector
from connectors.messages import Body, InboundRequest, UpstreamResponse
from connectors.samples import Signed
from policies.decision import Permit
from policies.model import Action, Disclosure, PatientRef
from sso.seal import Seal

PERMIT = Permit(("r",), "v", "h")
NHS = "https://fhir.nhs.uk/Id/nhs-number"


async def connector(**options: Any) -> FhirConnector:
    made = FhirConnector(
        SystemConfig(
            "epr", "EPR", "http://up:1", {"base": "fhir", "pages": "/viewer/", **options}, 4096, "https://epr.test"
        )
    )
    await made.open(ConnectorTools(httpx2.AsyncClient, Seal([b"k" * 32]), lambda: 0.0, Signed()))
    return made


def asked(
    target: str, method: str = "GET", body: bytes = b"", kind: bytes = b"", session: str = "s1"
) -> InboundRequest:
    headers = ((b"content-type", kind),) if kind else ()
    return InboundRequest("r", method, target.encode(), headers, Body.of(body), session=session)


def refs(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:epr", id_) for id_ in ids)


def answer(resource: Any, kind: bytes = b"application/fhir+json", status: int = 200) -> UpstreamResponse:
    body = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return UpstreamResponse(
        status, ((b"content-type", kind), (b"content-length", str(len(body)).encode())), Body.of(body)
    )


@pytest.mark.parametrize(
    ("target", "action", "kind", "patients"),
    [
        ("/fhir/Patient/a", Action.READ, "patient", ("a",)),
        ("/fhir/Patient/a/_history/2", Action.READ, "patient", ("a",)),
        ("/fhir/Patient/a/$everything", Action.READ, "record", ("a",)),
        ("/fhir/Patient/a/Observation?code=1", Action.READ, "observation", ("a",)),
        ("/fhir/Observation?patient=Patient/a", Action.READ, "observation", ("a",)),
        ("/fhir/Observation?subject=Patient%2Fa&_sort=-date", Action.READ, "observation", ("a",)),
        ("/fhir/Condition?patient=a", Action.READ, "condition", ("a",)),
        ("/fhir/Condition?subject:Patient=a", Action.READ, "condition", ("a",)),
        ("/fhir/Condition?patient=http://up:1/fhir/Patient/a", Action.READ, "condition", ("a",)),
        ("/fhir/Condition?patient=https://epr.test/fhir/Patient/a", Action.READ, "condition", ("a",)),
        ("/fhir/Patient?name=bell", Action.SEARCH, "patient", ()),
        ("/fhir/Patient?_id=a", Action.SEARCH, "patient", ("a",)),
        ("/fhir/Observation/o1", Action.READ, "observation", ()),
        ("/fhir/Practitioner?name=x", Action.READ, "practitioner", ()),
        ("/fhir/metadata", Action.ENTER, "capabilitystatement", ()),
        ("/viewer/", Action.ENTER, "page", ()),
        ("/viewer/viewer.js", Action.ENTER, "asset", ()),
    ],
)
async def test_a_request_is_known_by_its_path_and_parameters(
    target: str, action: Action, kind: str, patients: tuple[str, ...]
) -> None:
    """Interaction, kind and patient, as the standard writes them."""
    found, resource = await (await connector()).describe(asked(target))
    assert (found, resource.kind, resource.patients) == (action, kind, refs(*patients))


async def test_an_nhs_number_names_the_patient() -> None:
    """An identifier search with a valid number is about that number; one that is no number is about nobody."""
    made = await connector()
    _, resource = await made.describe(asked(f"/fhir/Patient?identifier={NHS}|9990000018"))
    assert resource.patients <= {PatientRef("nhs-number", "9990000018")}
    _, resource = await made.describe(asked(f"/fhir/Patient?identifier={NHS}|1111111111"))
    assert resource.patients == frozenset()


@pytest.mark.parametrize(
    "request_",
    [
        asked("/fhir/Observation"),
        asked("/fhir/Observation?code=1"),
        asked("/fhir/Observation?patient=a&patient=b"),
        asked("/fhir/Observation?patient=a&subject=Patient/b"),
        asked("/fhir/Patient/a/Observation?patient=b"),
        asked("/fhir/Observation?patient=Group/1"),
        asked("/fhir/Patient/a?_format=xml"),
        asked("/fhir/Patient/a?_format=application/fhir%2Bxml"),
        asked("/fhir", "POST", b"{}"),
        asked("/fhir?_type=Patient"),
        asked("/fhir/_history"),
        asked("/fhir/Observation/$stats?patient=a"),
        asked("/fhir/Patient/a/b/c/d"),
        asked("/fhir/Patient/%3Cscript%3E"),
        asked("/elsewhere/Patient/a"),
        asked("/fhir/Observation/_search", "POST", b"{}", b"application/json"),
        asked("/fhir/Observation?_lanyard_page=forged"),
    ],
    ids=lambda r: f"{r.method} {r.target.decode()}",
)
async def test_what_cannot_be_judged_is_refused(request_: InboundRequest) -> None:
    """No patient, two patients, another format, a batch, an unknown operation: said, and not sent."""
    with pytest.raises((BadRequest, NotBrokered)):
        await (await connector()).describe(request_)


async def test_a_search_by_form_is_judged_with_its_query() -> None:
    """Servers merge both; so do we, and two patients in them are refused."""
    made, form = await connector(), b"application/x-www-form-urlencoded"
    _, resource = await made.describe(asked("/fhir/Observation/_search", "POST", b"patient=a", form))
    assert resource.patients == refs("a")
    assert resource.changing is False
    with pytest.raises(BadRequest):
        await made.describe(asked("/fhir/Observation/_search?patient=b", "POST", b"patient=a", form))


async def test_a_write_is_about_the_patient_in_its_body() -> None:
    """And a body about another patient, or of another type, than the address is not sent."""
    made = await connector()
    note = {"resourceType": "Observation", "subject": {"reference": "Patient/a"}}
    action, resource = await made.describe(asked("/fhir/Observation", "POST", json.dumps(note).encode()))
    assert (action, resource.patients, resource.disclosure, resource.changing) == (
        Action.WRITE,
        refs("a"),
        Disclosure.CHANGED,
        True,
    )
    for target, body in (("/fhir/Condition", note), ("/fhir/Patient/b", {"resourceType": "Patient", "id": "a"})):
        with pytest.raises(BadRequest):
            await made.describe(asked(target, "PUT" if "b" in target[-1] else "POST", json.dumps(body).encode()))
    with pytest.raises(BadRequest):
        await made.describe(
            asked("/fhir/Observation", "POST", b'{"resourceType":"Observation","resourceType":"Patient"}')
        )


async def test_every_patient_in_an_answer_is_seen() -> None:
    """Ids, references of any kind to this server, NHS numbers with a right check digit."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "Patient",
                    "id": "a",
                    "identifier": [{"system": NHS, "value": "999 000 0018"}],
                }
            },
            {"resource": {"resourceType": "Observation", "subject": {"reference": "Patient/b"}}},
            {"resource": {"resourceType": "Task", "for": {"reference": "http://up:1/fhir/Patient/c/_history/3"}}},
            {
                "resource": {
                    "resourceType": "Task",
                    "for": {"reference": "#p1"},
                    "owner": {"reference": "Practitioner/z"},
                }
            },
        ],
    }
    seen = await (await connector()).disclosed(asked("/fhir/Observation/x"), answer(bundle))
    assert refs("a", "b", "c") <= seen
    assert {ref.value for ref in seen} <= {"a", "b", "c", "9990000018"}


@pytest.mark.parametrize(
    "bad",
    [
        answer(b"<html>", b"text/html"),
        answer(b"<html>", b"text/html", 502),
        answer(b'{"resourceType":"Patient","id":"a","id":"b"}'),
        answer(b'{"resourceType":"Observation","v":NaN}'),
        answer(b"[" * 3000),
        answer(b"{}"),
        answer(b'"text"'),
        answer(b'{"resourceType":"Patient"'),
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_passed_on(bad: UpstreamResponse) -> None:
    """Another format, doubled keys, constants outside JSON, depth, fragments."""
    with pytest.raises(SystemMisbehaves):
        await (await connector()).disclosed(asked("/fhir/Patient/a"), bad)


async def test_a_large_answer_names_the_way_to_ask_for_less() -> None:
    """Past `hold` nothing is shown, and `_count` is named."""
    with pytest.raises(AnswerTooLarge, match="_count"):
        await (await connector()).disclosed(asked("/fhir/Patient/a"), answer(b" " * 5000))


async def test_a_page_link_is_a_token_for_the_same_question_and_session() -> None:
    """The link to the next page is judged as the search that it continues, in its own session only."""
    made, first = await connector(), asked("/fhir/Observation?patient=Patient/a")
    page = answer(
        {"resourceType": "Bundle", "link": [{"relation": "next", "url": "http://up:1/fhir?cursor=9&n=2"}], "v": 1.10}
    )
    await made.disclosed(first, page)
    body = json.loads((await made.translate(first, page)).body.whole or b"")
    link = body["link"][0]["url"]
    assert link.startswith("https://epr.test/fhir?_lanyard_page=")
    assert "cursor" not in link
    following = asked(link.removeprefix("https://epr.test"))
    action, resource = await made.describe(following)
    assert (action, resource.patients) == (Action.READ, refs("a"))
    assert (await made.prepare(following, PERMIT, None)).target == b"/fhir?cursor=9&n=2"
    with pytest.raises(BadRequest):
        await made.describe(asked(link.removeprefix("https://epr.test"), session="another"))
    with pytest.raises(BadRequest):
        await made.describe(asked(link.removeprefix("https://epr.test")[:-2]))


async def test_decimals_stay_as_they_are() -> None:
    """1.10 is not 1.1: nothing but links and addresses changes in an answer."""
    made, request = await connector(), asked("/fhir/Observation/o")
    raw = b'{"resourceType":"Observation", "fullUrl":"http://up:1/fhir/Observation/o","value":1.10}'
    response = answer(raw)
    await made.disclosed(request, response)
    out = (await made.translate(request, response)).body.whole
    assert out == raw.replace(b"http://up:1", b"https://epr.test")


async def test_a_link_to_another_place_is_not_followed() -> None:
    """A next page at a foreign address is the system's misbehaviour."""
    made, request = await connector(), asked("/fhir/Patient?name=x")
    response = answer({"resourceType": "Bundle", "link": [{"relation": "next", "url": "http://evil.test/fhir?x"}]})
    await made.disclosed(request, response)
    with pytest.raises(SystemMisbehaves):
        await made.translate(request, response)


async def test_the_request_goes_on_as_it_came_with_our_own_authorisation(tmp_path: Any) -> None:
    """Target bytes unchanged, JSON asked for, the gateway's token in place of anything else."""
    (tmp_path / "token").write_text("t0k\n")
    made = await connector(auth="bearer", token={"file": str(tmp_path / "token")})
    request = await made.prepare(asked("/fhir/Observation?patient=a%2C&x=%7b"), PERMIT, None)
    assert request.target == b"/fhir/Observation?patient=a%2C&x=%7b"
    assert dict(request.headers)[b"authorization"] == b"Bearer t0k"
    assert dict(request.headers)[b"accept"] == b"application/fhir+json"


@given(st.binary(max_size=60), st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]), st.binary(max_size=60))
async def test_nothing_that_is_sent_breaks_it(target: bytes, method: str, body: bytes) -> None:
    """Whatever comes is described or refused."""
    made = await connector()
    request = InboundRequest(
        "r", method, b"/fhir/" + target, ((b"content-type", b"application/x-www-form-urlencoded"),), Body.of(body)
    )
    with contextlib.suppress(ConnectorError):
        await made.describe(request)


async def test_health_asks_what_the_server_is() -> None:
    """`metadata` must answer well."""
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200 if request.url.path == "/fhir/metadata" else 404)
    )
    async with httpx2.AsyncClient(transport=transport) as client:
        await (await connector()).health(client)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: httpx2.Response(500))) as client:
        with pytest.raises(SystemMisbehaves):
            await (await connector()).health(client)
