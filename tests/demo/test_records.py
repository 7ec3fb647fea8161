"""The EPR's resources fit together, whether invented or read from a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.people import patients
from demo.records import NHS_SYSTEM, Records, patients_of


def references(value: Any) -> Iterator[str]:
    """Every reference in a resource."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.fixture(scope="module")
def records() -> Records:
    return Records.invented(patients())


def everything(records: Records) -> list[dict[str, Any]]:
    return [resource for kind in records.by_type.values() for resource in kind.values()]


def test_every_reference_leads_to_a_resource(records: Records) -> None:
    """A viewer that follows a link finds something."""
    found = [ref for resource in everything(records) for ref in references(resource)]
    assert found
    assert all(ref.partition("/")[2] in records.by_type[ref.partition("/")[0]] for ref in found)


def test_each_resource_is_filed_under_its_type_its_id_and_its_patient(records: Records) -> None:
    """Whichever way it is asked for, it is the same resource."""
    for kind, found in records.by_type.items():
        for id_, resource in found.items():
            assert (resource["resourceType"], resource["id"]) == (kind, id_)
            (patient,) = patients_of(resource)
            assert sum(one is resource for one in records.by_patient[patient]) == 1


def test_the_patient_carries_the_nhs_number_and_the_hospital_s(records: Records) -> None:
    """Both numbers stand in the resource, under a system each."""
    for person in patients():
        resource = records.by_type["Patient"][person.id]
        numbers = {i["system"]: i["value"] for i in resource["identifier"]}
        assert numbers[NHS_SYSTEM] == person.nhs_number
        assert person.hospital_number in numbers.values()
        assert resource["birthDate"] == person.born.isoformat()  # type: ignore[union-attr]  # invented ones have one


def test_invented_records_are_the_same_each_time(records: Records) -> None:
    """The same seed gives the same resources, byte for byte."""
    again = Records.invented(patients())
    assert json.dumps(again.by_type, sort_keys=True) == json.dumps(records.by_type, sort_keys=True)


def test_a_resource_that_changes_its_patient_leaves_the_old_one() -> None:
    """A newer version takes the older one's place with every patient."""
    records = Records()
    for patient in ("a", "b"):
        observation = {"resourceType": "Observation", "id": "o", "subject": {"reference": f"Patient/{patient}"}}
        records.add(observation)
    assert records.by_patient["a"] == []
    assert [o["id"] for o in records.by_patient["b"]] == ["o"]


@pytest.mark.parametrize(
    ("resource", "about"),
    [
        ({"resourceType": "Patient", "id": "p"}, {"p"}),
        ({"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}}, {"p"}),
        ({"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p"}}, {"p"}),
        ({"resourceType": "Condition", "id": "c", "subject": {"reference": "Group/g"}}, set()),
        (
            {
                "resourceType": "Appointment",
                "id": "b",
                "participant": [{"actor": {"reference": "Patient/p"}}, {"actor": {"reference": "Practitioner/d"}}],
            },
            {"p"},
        ),
        ({"resourceType": "Organization", "id": "o"}, set()),
    ],
)
def test_who_a_resource_is_about(resource: dict[str, Any], about: set[str]) -> None:
    """By subject, patient or participant; a group or a practitioner is no patient."""
    assert patients_of(resource) == about


PERSON = {"resourceType": "Patient", "name": [{"family": "Vance", "given": ["Ada", "May"]}], "birthDate": "1960"}
OBSERVATION = {"resourceType": "Observation", "subject": {"reference": "urn:uuid:1"}, "status": "final"}


def bundle(*entries: tuple[str, dict[str, Any]]) -> str:
    return json.dumps({"resourceType": "Bundle", "entry": [{"fullUrl": url, "resource": r} for url, r in entries]})


def test_a_folder_of_bundles_is_read_with_its_references_resolved(tmp_path: Path) -> None:
    """`urn:uuid:` references become `Type/id`, in whichever order the entries stand."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one.json").write_text(bundle(("urn:uuid:2", OBSERVATION), ("urn:uuid:1", PERSON)))
    (tmp_path / "other.json").write_text("[]")
    records = Records.of_folder(tmp_path)
    assert records.by_type["Observation"]["2"]["subject"] == {"reference": "Patient/1"}
    assert {r["resourceType"] for r in records.by_patient["1"]} == {"Patient", "Observation"}


def test_the_pas_knows_the_same_people_by_numbers_of_its_own(tmp_path: Path) -> None:
    """A patient read from a folder is known at the PAS too; what their record does not say is not invented."""
    (tmp_path / "one.json").write_text(bundle(("urn:uuid:1", PERSON)))
    (person,) = Records.of_folder(tmp_path).people()
    assert (person.id, person.family, person.given) == ("1", "Vance", "Ada May")
    assert person.hospital_number.startswith("H")
    assert (person.born_said, person.nhs_spaced, person.address) == ("Not Known", "Not Known", "Not Known")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "is not valid JSON: take it out"),
        ("a.json", bundle(("urn:uuid:2", OBSERVATION)), "holds no FHIR bundle with a patient"),
        ("a.txt", bundle(("urn:uuid:1", PERSON)), "holds no FHIR bundle with a patient"),
    ],
)
def test_a_folder_that_is_no_use_is_told_with_what_to_do(tmp_path: Path, name: str, text: str, says: str) -> None:
    """The message names the folder or file, and the remedy."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=says) as told:
        Records.of_folder(tmp_path)
    assert str(tmp_path) in str(told.value)
