"""An invented patient into FHIR R4 resources, as an EPR would give them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .people import Patient

Json = dict[str, Any]
NHS_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def resources_of(person: Patient) -> Iterator[Json]:
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
        "birthDate": f"{person.born}",
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
            "category": [{"coding": [{"system": _CATEGORY, "code": "vital-signs"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": name},
            "subject": subject,
            "effectiveDateTime": when,
            "valueQuantity": {"value": value, "unit": unit},
        }
    for number, (when, clinic) in enumerate(person.appointments):
        yield {
            "resourceType": "Appointment",
            "id": f"{person.id}-b{number}",
            "status": "booked",
            "description": clinic,
            "start": when,
            "participant": [{"actor": subject, "status": "accepted"}],
        }
    for number, (when, text) in enumerate(person.notes):
        yield {
            "resourceType": "DocumentReference",
            "id": f"{person.id}-d{number}",
            "status": "current",
            "type": {"text": "Progress note"},
            "subject": subject,
            "date": when,
            "content": [
                {"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}
            ],
        }
