"""FHIR R4 resources: of invented patients, or of a folder of bundles (Synthea's, or anybody's)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .people import Patient

Json = dict[str, Any]
NHS_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"


class Records:
    """Resources by type and id, and by the patient that they are about."""

    def __init__(self) -> None:
        self.by_type: dict[str, dict[str, Json]] = defaultdict(dict)
        self.by_patient: dict[str, list[Json]] = defaultdict(list)

    def add(self, resource: Json) -> None:
        known = self.by_type[resource["resourceType"]]
        old = known.get(resource["id"])
        known[resource["id"]] = resource
        for patient in patients_of(resource):
            about = self.by_patient[patient]
            if old in about:
                about.remove(old)
            about.append(resource)

    @classmethod
    def invented(cls, people: Iterable[Patient]) -> Records:
        records = cls()
        for person in people:
            for resource in _resources(person):
                records.add(resource)
        return records

    @classmethod
    def of_folder(cls, folder: Path) -> Records:
        """Every bundle below `folder`, its `urn:uuid:` references resolved. Raises ValueError where there is none."""
        records = cls()
        for path in sorted(folder.rglob("*.json")):
            bundle = json.loads(path.read_text("utf-8"))
            if bundle.get("resourceType") == "Bundle":
                for resource in _resolved(bundle):
                    records.add(resource)
        if not records.by_type["Patient"]:
            raise ValueError(f"`{folder}` holds no FHIR bundle with a patient in it")
        return records


def patients_of(resource: Json) -> set[str]:
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    found = {
        resource.get(key, {}).get("reference", "")
        for key in ("subject", "patient", "beneficiary")
        if isinstance(resource.get(key), dict)
    }
    found |= {
        p.get("actor", {}).get("reference", "")
        for p in resource.get("participant", ())
        if isinstance(p.get("actor"), dict)
    }
    return {ref.removeprefix("Patient/") for ref in found if ref.startswith("Patient/")}


def _resolved(bundle: Json) -> Iterator[Json]:
    entries = [e for e in bundle.get("entry", ()) if "resource" in e]
    places = {
        e["fullUrl"]: f"{e['resource']['resourceType']}/{e['resource']['id']}"
        for e in entries
        if "fullUrl" in e and "id" in e["resource"]
    }
    for entry in entries:
        if "id" in entry["resource"]:
            yield _rewritten(entry["resource"], places)


def _rewritten(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            k: places.get(v, v) if k == "reference" and isinstance(v, str) else _rewritten(v, places)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_rewritten(item, places) for item in value]
    return value


def _resources(person: Patient) -> Iterator[Json]:
    subject = {"reference": f"Patient/{person.id}"}
    yield {
        "resourceType": "Patient",
        "id": person.id,
        "meta": {"versionId": "1"},
        "identifier": [
            {"system": NHS_SYSTEM, "value": person.nhs_number},
            {"system": "urn:northwick:hospital-number", "value": person.hospital_number},
        ],
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "gender": person.gender,
        "birthDate": person.born.isoformat(),
        "address": [{"text": person.address}],
    }
    yield {
        "resourceType": "Encounter",
        "id": f"{person.id}-e",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": subject,
        "location": [{"location": {"display": f"{person.ward}, bed {person.bed}"}}],
    }
    for number, (name, reaction) in enumerate(person.allergies):
        yield {
            "resourceType": "AllergyIntolerance",
            "id": f"{person.id}-a{number}",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {"text": name},
            "patient": subject,
            "reaction": [{"manifestation": [{"text": reaction}]}],
        }
    for number, name in enumerate(person.conditions):
        yield {"resourceType": "Condition", "id": f"{person.id}-c{number}", "clinicalStatus": {"coding": [{"code": "active"}]},
               "code": {"text": name}, "subject": subject}  # fmt: skip
    for number, name in enumerate(person.medications):
        yield {"resourceType": "MedicationRequest", "id": f"{person.id}-m{number}", "status": "active", "intent": "order",
               "medicationCodeableConcept": {"text": name}, "subject": subject}  # fmt: skip
    for number, (code, name, unit, value, when) in enumerate(person.observations):
        yield {
            "resourceType": "Observation",
            "id": f"{person.id}-o{number}",
            "status": "final",
            "category": [{"coding": [{"code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": name},
            "subject": subject,
            "effectiveDateTime": when,
            "valueQuantity": {"value": value, "unit": unit},
        }
