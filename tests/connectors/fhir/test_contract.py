"""The fhir connector holds to the contract of connectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.base import SystemConfig
from connectors.fhir import FhirConnector
from connectors.testing import Answered, Asked, ConnectorContract
from policies.model import Action, PatientRef

FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
FHIR = ((b"content-type", b"application/fhir+json"),)
NHS = "https://fhir.nhs.uk/Id/nhs-number"


def about(*ids: str) -> frozenset[PatientRef]:
    return frozenset(PatientRef("system:epr", id_) for id_ in ids)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


READ = Asked(b"/fhir/Patient/patient-a", Action.READ, about("patient-a"))
LOOK = Asked(b"/fhir/Observation?subject=Patient%2Fpatient-a&_sort=-date", Action.READ, about("patient-a"))
NOTE = body(resourceType="Observation", status="final", subject={"reference": "Patient/patient-a"})


class TestFhir(ConnectorContract):
    package = "connectors.fhir"
    secrets = ("t0ken-of-ours",)

    @pytest.fixture(autouse=True)
    def kept_token(self, tmp_path: Path) -> None:
        self.token = tmp_path / "token"
        self.token.write_text(self.secrets[0])

    def connector(self) -> FhirConnector:
        options = {"base": "fhir", "auth": "bearer", "token": {"file": str(self.token)}}
        return FhirConnector(SystemConfig("epr", "EPR", "http://up.test:1", options, 65_536, "https://epr.test"))

    def requests(self) -> list[Asked]:
        return [
            READ,
            LOOK,
            Asked(b"/fhir/Patient/patient-a/Observation?code=1", Action.READ, about("patient-a")),
            Asked(b"/fhir/Patient?name=bell", Action.SEARCH),
            Asked(b"/fhir/Observation/o-1", Action.READ),
            Asked(b"/fhir/metadata", Action.ENTER),
            Asked(
                b"/fhir/Condition/_search", Action.READ, about("patient-a"), "POST", FORM, b"patient=patient-a&code=1"
            ),
            Asked(b"/fhir/Observation", Action.WRITE, about("patient-a"), "POST", FHIR, NOTE),
            Asked(b"/fhir/Patient/patient-a", Action.WRITE, about("patient-a"), "DELETE"),
        ]

    def answers(self) -> list[Answered]:
        person = {
            "resourceType": "Patient",
            "id": "patient-a",
            "identifier": [{"system": NHS, "value": "999 000 0018"}],
        }
        note = {
            "resourceType": "Observation",
            "id": "o",
            "subject": {"reference": "http://up.test:1/fhir/Patient/patient-b"},
        }
        entries = [{"resource": json.loads(NOTE)}, {"resource": note}]
        bundle = body(resourceType="Bundle", link=[{"relation": "next", "url": "?page=2"}], entry=entries)
        return [
            Answered(READ, FHIR, body(**person), about("patient-a") | {PatientRef("nhs-number", "9990000018")}),
            Answered(
                LOOK, (*FHIR, (b"content-length", str(len(bundle)).encode())), bundle, about("patient-a", "patient-b")
            ),
            Answered(READ, FHIR, body(resourceType="OperationOutcome"), frozenset(), 404),
        ]
