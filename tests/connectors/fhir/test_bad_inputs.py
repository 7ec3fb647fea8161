"""FHIR requests that have led gateways past their own rules: each is refused, or judged as what it truly asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from connectors.errors import BadRequest, NotBrokered, SystemMisbehaves
from policies.bundle import Bundle
from policies.decision import Deny, Permit
from policies.engine import CedarEngine
from policies.model import Action
from policies.testing import ask

from .test_connector import answer, asked, connector, refs


@dataclass(frozen=True)
class Case:
    id: str
    words: str
    target: str
    method: str = "GET"
    body: bytes = b""
    kind: bytes = b""


JSON = b"application/fhir+json"
XML = b"application/fhir+xml"
ENTITY = b'<?xml version="1.0"?><!DOCTYPE o [<!ENTITY e SYSTEM "file:///etc/passwd">]><Observation>&e;</Observation>'
BATCH = b'{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"../admin"}}]}'

NOTE = b'{"resourceType":"Observation","subject":{"reference":"Patient/123"}}'
TWICE = b'{"resourceType":"Observation","subject":{"reference":"Patient/123","reference":"Patient/900"}}'
TWO_CASES = b'{"resourceType":"Observation","subject":{"reference":"Patient/123","Reference":"Patient/900"}}'
OTHER_CASE = b'{"resourceType":"Observation","subject":{"REFERENCE":"Patient/900"}}'
TWO_SUBJECTS = b'{"resourceType":"Observation","subject":{"reference":"Patient/123"},"Subject":{}}'

REFUSED = (
    Case("HTTP-267", "one key twice", "/fhir/Observation", "POST", TWICE, JSON),
    Case("HTTP-268", "one key in two cases", "/fhir/Observation", "POST", TWO_CASES, JSON),
    Case("HTTP-268b", "a key in another case", "/fhir/Observation", "POST", OTHER_CASE, JSON),
    Case("HTTP-268c", "an element in two cases", "/fhir/Observation/1", "PUT", TWO_SUBJECTS, JSON),
    Case("HTTP-269", "JSON that is said to be text", "/fhir/Observation", "POST", NOTE, b"text/plain"),
    Case("HTTP-263", "two patients in the address", "/fhir/Observation?patient=123&patient=900"),
    Case("HTTP-264", "two patients, one of them encoded", "/fhir/Observation?patient=123&%70atient=900"),
    Case("HTTP-265", "one in the address, another in the form", "/fhir/Observation/_search?patient=123", "POST",
         b"patient=900", b"application/x-www-form-urlencoded"),
    Case("FHIR-003", "everything that points here, and so on", "/fhir/Patient?_id=123&_revinclude:iterate=*"),
    Case("FHIR-003b", "everything that points here", "/fhir/Patient?_id=123&_revinclude=*"),
    Case("FHIR-003c", "what points here, of a named type, and so on",
         "/fhir/Patient?_id=123&_revinclude:iterate=Observation:patient"),
    Case("FHIR-003d", "everything that is pointed at", "/fhir/Observation?patient=123&_include=*"),
    Case("FHIR-003e", "records of nobody in particular, through a directory",
         "/fhir/Practitioner?name=x&_revinclude=Observation:performer"),
    Case("FHIR-003f", "records of whoever has that name", "/fhir/Patient?name=x&_revinclude=Observation:patient"),
    Case("FHIR-003g", "in a compartment", "/fhir/Patient/123/Observation?_include=*"),
    Case("FHIR-003h", "by form", "/fhir/Patient/_search", "POST", b"_id=123&_revinclude=*",
         b"application/x-www-form-urlencoded"),
    Case("FHIR-005", "who has such a result", "/fhir/Patient?_has:Observation:patient:code=hiv"),
    Case("FHIR-005b", "the same with its name encoded", "/fhir/Patient?%5Fhas:Observation:patient:code=hiv"),
    Case("FHIR-006", "an expression", "/fhir/Patient?_filter=name%20co%20%22a%22"),
    Case("FHIR-007", "a named query", "/fhir/Patient?_query=everybody"),
    Case("FHIR-008", "GraphQL", "/fhir/$graphql", "POST", b"{Patient(id:123){name}}"),
    Case("FHIR-008b", "GraphQL in the address", "/fhir/$graphql?query=%7BPatient%7D"),
    Case("FHIR-008c", "GraphQL on a patient", "/fhir/Patient/123/$graphql?query=%7Bname%7D"),
    Case("FHIR-009", "a million at once", "/fhir/Patient?_count=1000000"),
    Case("FHIR-009b", "as many as there are", "/fhir/Patient?_count=-1"),
    Case("FHIR-009c", "in digits of another script", "/fhir/Patient?_count=%D9%A1%D9%A0"),
    Case("FHIR-017", "a transaction", "/fhir", "POST", BATCH, JSON),
    Case("FHIR-017b", "a transaction, with a slash", "/fhir/", "POST", BATCH, JSON),
    Case("FHIR-020", "another format", "/fhir/Patient/123?_format=html"),
    Case("FHIR-020b", "XML", "/fhir/Patient/123?_format=json&_format=application/fhir%2Bxml"),
    Case("FHIR-020c", "another format of a search by form", "/fhir/Patient/_search?_format=xml", "POST", b"name=x",
         b"application/x-www-form-urlencoded"),
    Case("FHIR-021", "an entity from outside", "/fhir/Observation", "POST", ENTITY, XML),
    Case("FHIR-021b", "the same, said to be JSON", "/fhir/Observation", "POST", ENTITY, JSON),
    Case("FHIR-027", "everybody's record, later", "/fhir/$export"),
    Case("FHIR-027b", "everybody's record", "/fhir/Patient/$export"),
    Case("FHIR-027c", "a group's record", "/fhir/Group/1/$export"),
    Case("FHIR-028", "a type in lower case", "/fhir/patient/900"),
    Case("FHIR-028b", "a type in upper case", "/fhir/PATIENT/900"),
    Case("FHIR-028c", "a type in the plural", "/fhir/Patients/900"),
    Case("FHIR-028d", "a search of such a type", "/fhir/PATIENT?name=x"),
    Case("FHIR-028e", "a change of such a type", "/fhir/PATIENT/900", "DELETE"),
    Case("FHIR-029", "slashes in an id", "/fhir/Patient/123%2F..%2F900"),
    Case("FHIR-029b", "parents in an id", "/fhir/Patient/..%5C900"),
    Case("FHIR-029c", "slashes in another type's id", "/fhir/Observation/1%2F..%2F..%2FPatient%2F900"),
    Case("conditional-delete", "whatever fits, whoever's it is", "/fhir/Observation?code=1", "DELETE"),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.id} {case.words}")
async def test_what_cannot_be_judged_is_refused(case: Case) -> None:
    """Nothing is prepared for the system, since `describe` says no before anybody is asked whether it may be."""
    with pytest.raises((BadRequest, NotBrokered)):
        await (await connector()).describe(asked(case.target, case.method, case.body, case.kind))


@pytest.mark.parametrize("kind", [JSON, b"application/json; charset=utf-8", b""])
async def test_a_plain_note_is_judged_by_its_patient(kind: bytes) -> None:
    """HTTP-267 to HTTP-269, control: the same note in good form is about the patient whom it names."""
    _, resource = await (await connector()).describe(asked("/fhir/Observation", "POST", NOTE, kind))
    assert resource.patients == refs("123")


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/fhir/Patient?_id=123&_revinclude=Observation:patient", "record"),
        ("/fhir/MedicationRequest?patient=123&_include=MedicationRequest:medication", "record"),
        ("/fhir/Patient/123/Observation?_include=Observation:performer", "record"),
        ("/fhir/Patient/123/$everything", "record"),
        ("/fhir/Observation?patient=123&_count=1000", "observation"),
    ],
)
async def test_what_brings_more_kinds_is_judged_as_the_record(target: str, kind: str) -> None:
    """FHIR-003, FHIR-007: a search of a harmless kind that brings others along is a look into the record."""
    action, resource = await (await connector()).describe(asked(target))
    assert (action, resource.kind, resource.patients) == (Action.READ, kind, refs("123"))


async def test_a_directory_may_include_what_it_points_at() -> None:
    """Control: roles with their practitioners are nobody's record."""
    target = "/fhir/PractitionerRole?specialty=x&_include=PractitionerRole:practitioner"
    _, resource = await (await connector()).describe(asked(target))
    assert (resource.kind, resource.route) == ("practitionerrole", "directory")


@pytest.mark.parametrize(
    "target", ["/fhir/Patient/123/$everything", "/fhir/Patient?_id=123&_revinclude=Condition:patient"]
)
async def test_the_whole_record_needs_its_own_permission(target: str) -> None:
    """FHIR-007: a receptionist finds patients, and gets no record by the way."""
    action, resource = await (await connector()).describe(asked(target))
    engine = CedarEngine(Bundle.load())
    for role, verdict in (("nurse", Permit), ("receptionist", Deny)):
        access, facts = ask(role, "search", "patient")
        assert isinstance(engine.decide(access, facts), Permit)
        assert isinstance(engine.decide(replace(access, action=action, resource=resource), facts), verdict)


@pytest.mark.parametrize("version", ["/_history", "/_history/1"])
async def test_an_old_version_is_as_closed_as_the_record(version: str) -> None:
    """FHIR-014: what a patient has sealed since is not to be had by asking for the version before."""
    action, resource = await (await connector()).describe(asked(f"/fhir/Patient/123{version}"))
    assert resource.patients == refs("123")
    engine = CedarEngine(Bundle.load())
    for sealed, verdict in (("no", Permit), ("yes", Deny)):
        access, facts = ask("nurse", "read", "patient", restricted=sealed)
        assert isinstance(engine.decide(replace(access, action=action, resource=resource), facts), verdict)


async def test_what_is_contained_is_seen_too() -> None:
    """FHIR-011: whatever parts are asked for, patients in contained resources are told."""
    made, request = await connector(), asked("/fhir/Patient/123?_contained=both&_elements=*")
    action, resource = await made.describe(request)
    assert (action, resource.patients) == (Action.READ, refs("123"))
    inner = {"resourceType": "Observation", "subject": {"reference": "Patient/900"}}
    body = {"resourceType": "Patient", "id": "123", "contained": [inner, {"resourceType": "Patient", "id": "p9"}]}
    assert await made.disclosed(request, answer(body)) == refs("123", "900", "p9")


@pytest.mark.parametrize("kind", [b"text/html", b"application/xhtml+xml", b"application/fhir+xml", b""])
async def test_a_resource_under_another_type_is_not_passed_on(kind: bytes) -> None:
    """FHIR-023: a browser runs what is called HTML; a resource called so does not leave."""
    story = {"status": "generated", "div": "<div><script>alert(1)</script></div>"}
    body = json.dumps({"resourceType": "DocumentReference", "id": "5", "text": story}).encode()
    made, request = await connector(), asked("/fhir/DocumentReference/5")
    assert await made.disclosed(request, answer(body)) == frozenset()
    with pytest.raises(SystemMisbehaves):
        await made.disclosed(request, answer(body, kind))


@pytest.mark.parametrize(
    "target", ["/fhir/Patient/123", "/fhir/Observation?patient=123", "/fhir/Observation?subject=Patient%2F123"]
)
async def test_another_patient_s_record_is_a_mix_up(target: str) -> None:
    """UP-219: answered with others alone, however alike their ids; with the one asked for among them, it is a record."""
    made, request = await connector(), asked(target)
    for id_ in ("12", "23", "1234"):
        with pytest.raises(SystemMisbehaves, match="another patient"):
            await made.disclosed(request, answer({"resourceType": "Patient", "id": id_}))
    link = {"other": {"reference": "Patient/900"}}
    both = {"resourceType": "Patient", "id": "123", "link": [link]}
    assert await made.disclosed(request, answer(both)) == refs("123", "900")


async def test_a_directory_or_a_list_may_name_anybody() -> None:
    """UP-219, control: who asked for nobody in particular is shown whoever there is."""
    for target in ("/fhir/Patient?name=x", "/fhir/Observation/o1"):
        body = {"resourceType": "Patient", "id": "900"}
        assert await (await connector()).disclosed(asked(target), answer(body)) == refs("900")
