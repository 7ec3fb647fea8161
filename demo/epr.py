"""A pretend EPR: FHIR R4 at `/fhir` behind a bearer token, and a small viewer of its own at `/viewer/`."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .records import Json, Records

_PAGE = 20
_SEARCHABLE = ("Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter", "DocumentReference", "Appointment",
               "Procedure", "Immunization", "DiagnosticReport", "CarePlan")  # fmt: skip
Parameters = list[tuple[str, str]]


class Refused(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


@dataclass
class Epr:
    """`base` is its own address, as its absolute links say it."""

    records: Records
    base: str
    token: str
    _cursors: dict[str, list[Json]] = field(default_factory=dict)

    def app(self) -> Starlette:
        viewer = StaticFiles(directory=Path(__file__).parent / "static" / "viewer", html=True)
        fhir = "/fhir"
        return Starlette(
            routes=[
                Route("/", lambda request: RedirectResponse("/viewer/")),
                Mount("/viewer", viewer),
                Route(f"{fhir}", self._guarded(self._page)),
                Route(f"{fhir}/metadata", self._guarded(self._metadata)),
                Route(f"{fhir}/{{type}}/_search", self._guarded(self._search), methods=["POST"]),
                Route(f"{fhir}/{{type}}", self._guarded(self._search), methods=["GET"]),
                Route(f"{fhir}/{{type}}", self._guarded(self._create), methods=["POST"]),
                Route(f"{fhir}/{{type}}/{{id}}", self._guarded(self._read), methods=["GET"]),
                Route(f"{fhir}/{{type}}/{{id}}", self._guarded(self._update), methods=["PUT"]),
                Route(f"{fhir}/Patient/{{id}}/$everything", self._guarded(self._everything)),
            ]
        )

    def _guarded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            try:
                if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
                    raise Refused(401, "login", "a bearer token is needed")
                result: Response = await answer(request)
                return result
            except Refused as no:
                outcome = {
                    "resourceType": "OperationOutcome",
                    "issue": [{"severity": "error", "code": no.code, "diagnostics": no.text}],
                }
                return self._json(outcome, no.status)

        return guarded

    def _json(self, resource: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        return JSONResponse(resource, status, headers=headers, media_type="application/fhir+json")

    async def _metadata(self, request: Request) -> Response:
        return self._json(
            {
                "resourceType": "CapabilityStatement",
                "status": "active",
                "kind": "instance",
                "fhirVersion": "4.0.1",
                "format": ["json"],
            }
        )

    async def _read(self, request: Request) -> Response:
        resource = self._one(request)
        return self._json(resource, headers={"etag": f'W/"{resource.get("meta", {}).get("versionId", "1")}"'})

    def _one(self, request: Request) -> Json:
        resource = self.records.by_type[request.path_params["type"]].get(request.path_params["id"])
        if resource is None:
            raise Refused(404, "not-found", "there is no such resource")
        return resource

    async def _search(self, request: Request) -> Response:
        kind = request.path_params["type"]
        parameters: Parameters = parse_qsl(request.url.query, keep_blank_values=True)
        if request.method == "POST":
            parameters += parse_qsl((await request.body()).decode(), keep_blank_values=True)
        if kind == "Patient":
            found = [p for p in self.records.by_type["Patient"].values() if all(_is(p, n, v) for n, v in parameters)]
            found.sort(key=lambda p: (p["name"][0].get("family", ""), p["id"]))
        elif kind in _SEARCHABLE:
            found = self._about(kind, parameters)
        else:
            raise Refused(404, "not-supported", f"`{kind}` cannot be searched")
        count = min(int(dict(parameters).get("_count", _PAGE) or _PAGE), 100)
        return self._bundle(found, count, f"{kind}?{urlencode(parameters)}")

    def _about(self, kind: str, parameters: Parameters) -> list[Json]:
        wanted = next((v for n, v in parameters if n in ("patient", "subject")), "")
        patient = wanted.removeprefix(f"{self.base}/fhir/").removeprefix("Patient/")
        if not patient:
            raise Refused(400, "required", "a search needs `patient`")
        found = [r for r in self.records.by_patient.get(patient, ()) if r["resourceType"] == kind]
        code = dict(parameters).get("code", "").rpartition("|")[2]
        if code:
            found = [r for r in found if any(c.get("code") == code for c in r.get("code", {}).get("coding", ()))]
        if dict(parameters).get("_sort") == "-date":
            found.sort(key=lambda r: str(r.get("effectiveDateTime", "")), reverse=True)
        return found

    async def _everything(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        if id_ not in self.records.by_type["Patient"]:
            raise Refused(404, "not-found", "there is no such patient")
        count = min(int(request.query_params.get("_count", 100)), 500)
        return self._bundle(list(self.records.by_patient[id_]), count, f"Patient/{id_}/$everything")

    async def _page(self, request: Request) -> Response:
        rest = self._cursors.get(request.query_params.get("cursor", ""))
        if rest is None:
            raise Refused(410, "expired", "this page is gone: search again")
        return self._bundle(rest, int(request.query_params.get("count", _PAGE)), "")

    def _bundle(self, found: list[Json], count: int, self_link: str) -> Response:
        """A page, with an absolute link to the next as real servers give it."""
        shown, rest = found[:count], found[count:]
        links = [{"relation": "self", "url": f"{self.base}/fhir/{self_link}"}] if self_link else []
        if rest:
            cursor = secrets.token_urlsafe(12)
            self._cursors[cursor] = rest
            links.append({"relation": "next", "url": f"{self.base}/fhir?cursor={cursor}&count={count}"})
        entries = [
            {"fullUrl": f"{self.base}/fhir/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
            for r in shown
        ]
        return self._json(
            {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links, "entry": entries}
        )

    async def _create(self, request: Request) -> Response:
        resource = await self._sent(request)
        resource |= {"id": secrets.token_hex(6), "meta": {"versionId": "1"}}
        self.records.add(resource)
        place = f"{self.base}/fhir/{resource['resourceType']}/{resource['id']}/_history/1"
        return self._json(resource, 201, {"location": place, "etag": 'W/"1"'})

    async def _update(self, request: Request) -> Response:
        old = self._one(request)
        version = old.get("meta", {}).get("versionId", "1")
        if request.headers.get("if-match", f'W/"{version}"') != f'W/"{version}"':
            raise Refused(412, "conflict", "somebody has changed it since")
        resource = await self._sent(request) | {"id": old["id"], "meta": {"versionId": str(int(version) + 1)}}
        self.records.add(resource)
        return self._json(resource, headers={"etag": f'W/"{int(version) + 1}"'})

    async def _sent(self, request: Request) -> Json:
        try:
            resource = await request.json()
        except ValueError:
            raise Refused(400, "structure", "that is not JSON") from None
        if not isinstance(resource, dict) or resource.get("resourceType") != request.path_params["type"]:
            raise Refused(400, "invalid", "the resource is of another type than the address says")
        return resource


def _is(patient: Json, name: str, value: str) -> bool:
    names = (
        [str(patient["name"][0].get("family", "")), *patient["name"][0].get("given", ())] if patient.get("name") else []
    )
    match name:
        case "name":
            return any(n.lower().startswith(value.lower()) for n in names)
        case "family":
            return bool(names) and names[0].lower().startswith(value.lower())
        case "birthdate":
            return bool(patient.get("birthDate") == value)
        case "_id":
            return bool(patient["id"] == value)
        case "identifier":
            return any(
                i.get("value") == value.rpartition("|")[2].replace(" ", "") for i in patient.get("identifier", ())
            )
    return True
