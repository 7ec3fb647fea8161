"""The fhir connector holds to the contract of connectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.base import SystemConfig
from connectors.fhir import FhirConnector
from connectors.samples import Signed
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


def page() -> bytes:
    """The token of a further page of a search for patient-a's observations."""
    question = ["read", "observation", "search", [["system:epr", "patient-a"]], "opened", False]
    kept = {"session": "one", "question": json.dumps(question), "target": "/fhir?cursor=9"}
    return Signed().seal(json.dumps(kept).encode(), purpose="page:epr").encode()


class TestFhir(ConnectorContract):
    package = "connectors.fhir"
    secrets = ("t0ken-of-ours",)

    @pytest.fixture(autouse=True)
    def kept_token(self, tmp_path: Path) -> None:
        self.token = tmp_path / "token"
        self.token.write_text(self.secrets[0])

    def connector(self) -> FhirConnector:
        options = {"base": "fhir", "pages": "/viewer/", **self.known_by()}
        return FhirConnector(SystemConfig("epr", "EPR", "http://up.test:1", options, 65_536, "https://epr.test"))

    def known_by(self) -> dict[str, Any]:
        return {"auth": "bearer", "token": {"file": str(self.token)}}

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
            Asked(b"/viewer/index.html", Action.ENTER),
            Asked(b"/fhir?_lanyard_page=" + page(), Action.READ, about("patient-a"), sent_as=b"/fhir?cursor=9"),
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


class TestFhirByClientCredentials(TestFhir):
    """The same, where the token comes from an authorisation server."""

    def known_by(self) -> dict[str, Any]:
        secret = {"file": str(self.token)}
        return {
            "auth": "client_credentials",
            "token_url": "http://up.test:1/token",
            "client_id": "us",
            "client_secret": secret,
        }

    def system(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"access_token": self.secrets[0], "expires_in": 300})
