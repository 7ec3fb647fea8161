"""The pretend EPR answers as a FHIR server does: read, search, page, $everything, and an OperationOutcome for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from demo.epr import Epr
from demo.hospital import servers
from demo.people import Patient, patients
from demo.ports import free_port
from demo.records import Records, patients_of

PEOPLE = patients()
TOKEN = "the token of the gateway"


@pytest.fixture(scope="module")
def epr() -> Iterator[tuple[str, Epr]]:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    made = Epr(Records.invented(PEOPLE), base, TOKEN)
    with servers({port: made.app()}):
        yield base, made


@pytest.fixture
def fhir(epr: tuple[str, Epr]) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=f"{epr[0]}/fhir/", headers=headers, trust_env=False) as client:
        yield client


def found(response: httpx2.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    return [entry["resource"] for entry in response.json()["entry"]]


def ids(response: httpx2.Response) -> list[str]:
    return [resource["id"] for resource in found(response)]


def following(bundle: dict[str, Any]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def refused(response: httpx2.Response, status: int, code: str) -> str:
    """It is an OperationOutcome; its words."""
    assert response.status_code == status, response.text
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    return str(issue["diagnostics"])


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_nothing_is_told_without_the_token(epr: tuple[str, Epr], header: str) -> None:
    """Whoever has no token gets 401, whatever they ask, and learns nothing of what exists."""
    given = {"authorization": header.encode("utf-8")}
    for path in ("Patient/p001", "Patient/none", "Patient?name=a", "metadata", "nonsense"):
        refused(httpx2.get(f"{epr[0]}/fhir/{path}", headers=given, trust_env=False), 401, "login")


def test_a_read_gives_the_resource_with_its_version(fhir: httpx2.Client) -> None:
    """The resource as it was put in, and an ETag."""
    answer = fhir.get("Patient/p003")
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')
    assert (answer.json()["resourceType"], answer.json()["id"]) == ("Patient", "p003")


@pytest.mark.parametrize("path", ["Patient/nobody", "Observation/none", "Sandwich/1", "Patient/nobody/$everything"])
def test_what_does_not_exist_is_not_found(fhir: httpx2.Client, path: str) -> None:
    """404, as an OperationOutcome that does not repeat who was asked for."""
    assert "nobody" not in refused(fhir.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "Patient/p001/_history", 404, "not-supported"),
        ("DELETE", "Patient/p001", 404, "not-supported"),
        ("GET", "Sandwich?patient=p001", 404, "not-supported"),
        ("GET", "Patient?favourite=1", 400, "not-supported"),
        ("GET", "Patient?_sort=favourite", 400, "not-supported"),
        ("GET", "Patient?_count=0", 400, "value"),
        ("GET", "Patient?_count=many", 400, "value"),
        ("GET", "Patient?birthdate=zz1960", 400, "value"),
        ("GET", "Patient?name=%FF", 400, "invalid"),
        ("GET", "Observation", 400, "required"),
        ("GET", "Observation?patient=p001&patient=p002", 400, "required"),
    ],
)
def test_what_cannot_be_answered_is_refused_not_guessed(
    fhir: httpx2.Client, method: str, path: str, status: int, code: str
) -> None:
    """An unknown parameter or interaction is an error, never left out."""
    refused(fhir.request(method, path), status, code)


def test_patients_are_found_by_name_number_and_birth(fhir: httpx2.Client) -> None:
    """Each of the ways finds exactly those whom it should."""
    one = PEOPLE[4]
    namesakes = {p.id for p in PEOPLE if one.family[:3].lower() in (p.family[:3].lower(), p.given[:3].lower())}
    assert set(ids(fhir.get("Patient", params={"name": one.family[:3].upper(), "_count": "100"}))) == namesakes
    number = {"identifier": f"https://fhir.nhs.uk/Id/nhs-number|{one.nhs_number}"}
    assert ids(fhir.get("Patient", params=number)) == [one.id]
    assert ids(fhir.get("Patient", params={"identifier": f"urn:elsewhere|{one.nhs_number}"})) == []
    assert one.id in ids(fhir.get("Patient", params={"birthdate": f"{one.born:%Y-%m}", "_count": "100"}))
    older = {p.id for p in PEOPLE if p.born and f"{p.born}" < "1960"}
    assert set(ids(fhir.get("Patient?birthdate=lt1960&_count=100"))) == older
    both = fhir.get("Patient", params={"family": one.family, "gender": "female,male", "_id": one.id})
    assert ids(both) == [one.id]


def test_a_search_by_post_finds_the_same(fhir: httpx2.Client) -> None:
    """What stands in the body counts as what stands in the address."""
    posted = fhir.post("Patient/_search", data={"family": PEOPLE[0].family})
    assert ids(posted) == ids(fhir.get("Patient", params={"family": PEOPLE[0].family}))


@pytest.mark.parametrize("patient", ["p002", "Patient/p002", "{base}/fhir/Patient/p002"])
def test_a_clinical_search_is_about_its_patient_only(fhir: httpx2.Client, epr: tuple[str, Epr], patient: str) -> None:
    """However the patient is written, no other's resource is in the answer."""
    named = patient.replace("{base}", epr[0])
    resources = found(fhir.get("Observation", params={"patient": named, "_count": "100"}))
    assert len(resources) == len(PEOPLE[1].observations)
    assert {who for r in resources for who in patients_of(r)} == {"p002"}


def test_clinical_searches_narrow_and_sort(fhir: httpx2.Client) -> None:
    """Code, category and date narrow; `_sort` puts the newest first."""
    asked = {"patient": "p001", "code": "http://loinc.org|8867-4", "category": "vital-signs", "_sort": "-date"}
    resources = found(fhir.get("Observation", params=asked))
    dates = [r["effectiveDateTime"] for r in resources]
    assert len(dates) == 6
    assert dates == sorted(dates, reverse=True)
    newest = found(fhir.get("Observation", params={**asked, "date": f"ge{dates[1][:10]}"}))
    assert [r["effectiveDateTime"] for r in newest] == dates[:2]
    assert ids(fhir.get("Observation", params={**asked, "code": "8867"})) == []


def test_pages_hold_everybody_once(fhir: httpx2.Client) -> None:
    """Page by page, each patient comes once; the link gives nothing away, is absolute, and can be asked for again."""
    seen: list[str] = []
    url, sizes = "Patient?_count=7", []
    while url:
        answer = fhir.get(url)
        assert ids(answer) == ids(fhir.get(url))
        assert answer.json()["total"] == len(PEOPLE)
        seen += ids(answer)
        sizes.append(len(ids(answer)))
        url = following(answer.json()) or ""
        assert not url or url.startswith(f"{fhir.base_url}".rstrip("/"))
        assert not any(p.id in url for p in PEOPLE)
    assert sizes == [7, 7, 7, 3]
    assert sorted(seen) == sorted(p.id for p in PEOPLE)


def test_a_page_that_is_forgotten_is_gone(fhir: httpx2.Client) -> None:
    """410, not an empty page that looks like the end."""
    refused(fhir.get(f"{fhir.base_url}".rstrip("/") + "?cursor=made-up"), 410, "expired")


def everything(fhir: httpx2.Client, person: Patient) -> list[dict[str, Any]]:
    resources, url = [], f"Patient/{person.id}/$everything?_count=10"
    while url:
        answer = fhir.get(url)
        resources += found(answer)
        url = following(answer.json()) or ""
    return resources


def test_everything_is_all_of_one_patient_and_nothing_of_another(fhir: httpx2.Client) -> None:
    """The whole record over its pages, the patient first."""
    for person in PEOPLE[:3]:
        resources = everything(fhir, person)
        assert (resources[0]["resourceType"], resources[0]["id"]) == ("Patient", person.id)
        assert {who for r in resources for who in patients_of(r)} == {person.id}
        wanted = 2 + sum(map(len, (person.allergies, person.conditions, person.medications, person.observations)))
        assert len(resources) == wanted + len(person.appointments) + len(person.notes)


def test_an_observation_is_written_and_found(fhir: httpx2.Client) -> None:
    """A created resource has an id and a place, and is in the next search; a newer version replaces it."""
    sent = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p005"}}
    made = fhir.post("Observation", json=sent)
    assert made.status_code == 201
    id_ = made.json()["id"]
    assert made.headers["location"].endswith(f"/fhir/Observation/{id_}/_history/1")
    newer = made.json() | {"status": "amended"}
    assert fhir.put(f"Observation/{id_}", json=newer, headers={"if-match": 'W/"1"'}).headers["etag"] == 'W/"2"'
    refused(fhir.put(f"Observation/{id_}", json=newer, headers={"if-match": 'W/"1"'}), 412, "conflict")
    moved = newer | {"subject": {"reference": "Patient/p006"}}
    refused(fhir.put(f"Observation/{id_}", json=moved), 400, "invalid")
    assert id_ in ids(fhir.get("Observation?patient=p005&status=amended"))


@pytest.mark.parametrize(
    ("path", "sent", "status", "code"),
    [
        ("Patient", '{"resourceType": "Patient"}', 405, "not-supported"),
        ("Observation", "{", 400, "structure"),
        ("Observation", "[" * 100_000, 400, "structure"),
        ("Observation", '{"resourceType": "Patient"}', 400, "invalid"),
        ("Observation", '{"resourceType": "Observation"}', 422, "business-rule"),
        (
            "Observation",
            '{"resourceType": "Observation", "subject": {"reference": "Patient/no"}}',
            422,
            "business-rule",
        ),
    ],
)
def test_a_bad_write_is_refused_and_changes_nothing(
    fhir: httpx2.Client, epr: tuple[str, Epr], path: str, sent: str, status: int, code: str
) -> None:
    """Told why, and no resource more."""
    before = {kind: len(found) for kind, found in epr[1].records.by_type.items()}
    refused(fhir.post(path, content=sent), status, code)
    assert {kind: len(found) for kind, found in epr[1].records.by_type.items()} == before


def test_the_viewer_is_a_page_that_runs_its_own_script_only(epr: tuple[str, Epr]) -> None:
    """The root leads to it, and its policy allows nothing inline."""
    with httpx2.Client(base_url=epr[0], trust_env=False, follow_redirects=True) as browser:
        page = browser.get("/")
        assert page.url.path == "/viewer/"
        assert page.headers["content-security-policy"] == "default-src 'self'"
        assert "<script>" not in page.text


def test_the_server_says_what_it_can_do(fhir: httpx2.Client) -> None:
    """The capability statement is R4 and names what can be written, which is observations alone."""
    said = fhir.get("metadata").json()
    assert (said["resourceType"], said["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    can = {r["type"]: {i["code"] for i in r["interaction"]} for r in said["rest"][0]["resource"]}
    assert [kind for kind, codes in can.items() if "create" in codes] == ["Observation"]
