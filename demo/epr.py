"""A pretend EPR: FHIR R4 at `/fhir` behind a bearer token, and a small viewer of its own at `/viewer/`."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .records import Json, Records, patients_of
from .search import ABOUT_A_PATIENT, Parameters, Refused, count, found

_PAGE = 20
_MOST_OF_EVERYTHING = 500
_MOST_CURSORS = 2000
_WRITABLE = ("Observation",)
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rest of a search: kept here, so that its link gives nothing away."""

    rest: list[Json]
    page: int
    total: int


class _Viewer(StaticFiles):
    """Nothing inline, nothing from elsewhere."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = "default-src 'self'"
        return response


@dataclass
class Epr:
    """`base` is its own origin, as its absolute links say it."""

    records: Records
    base: str
    token: str
    _cursors: dict[str, Cursor] = field(default_factory=dict)

    @property
    def fhir(self) -> str:
        return f"{self.base}/fhir"

    def app(self) -> Starlette:
        def on(path: str, answer: Answer, method: str = "GET") -> Route:
            return Route(f"/fhir{path}", self._guarded(answer), methods=[method])

        return Starlette(
            routes=[
                Route("/", lambda request: RedirectResponse("/viewer/")),
                Mount("/viewer", _Viewer(directory=Path(__file__).parent / "static" / "viewer", html=True)),
                on("", self._turned),
                on("/metadata", self._metadata),
                on("/{type}/_search", self._search, "POST"),
                on("/{type}", self._search),
                on("/{type}", self._create, "POST"),
                on("/{type}/{id}", self._read),
                on("/{type}/{id}", self._update, "PUT"),
                on("/Patient/{id}/$everything", self._everything),
                Route("/fhir/{rest:path}", self._guarded(_unknown), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    def _guarded(self, answer: Answer) -> Answer:
        """The bearer token first; whatever is refused becomes an OperationOutcome."""

        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode("latin-1")
            try:
                if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
                    raise Refused(401, "login", "a bearer token is needed")
                return await answer(request)
            except Refused as no:
                issue = {"severity": "error", "code": no.code, "diagnostics": no.text}
                response = _json({"resourceType": "OperationOutcome", "issue": [issue]}, no.status)
                if no.status == 401:
                    response.headers["www-authenticate"] = "Bearer"
                return response

        return guarded

    # Looking

    async def _metadata(self, request: Request) -> Response:
        return _json(_capabilities())

    async def _read(self, request: Request) -> Response:
        resource = self._one(request.path_params["type"], request.path_params["id"])
        return _json(resource, headers={"etag": f'W/"{_version(resource)}"'})

    def _one(self, kind: str, id_: str) -> Json:
        resource = self.records.by_type.get(kind, {}).get(id_)
        if resource is None:
            raise Refused(404, "not-found", "there is no such resource")
        return resource

    async def _search(self, request: Request) -> Response:
        kind, parameters = request.path_params["type"], _pairs(request.url.query.encode())
        if request.method == "POST":
            parameters = [*parameters, *_pairs(await request.body())]
        shown = found(self.records, kind, parameters, self.fhir)
        return self._bundle(shown, count(parameters, _PAGE), len(shown), f"{kind}?{urlencode(parameters)}")

    async def _everything(self, request: Request) -> Response:
        patient = self._one("Patient", request.path_params["id"])
        page = count(_pairs(request.url.query.encode()), 100, _MOST_OF_EVERYTHING)
        shown = list(self.records.by_patient[patient["id"]])
        return self._bundle(shown, page, len(shown), f"Patient/{patient['id']}/$everything")

    async def _turned(self, request: Request) -> Response:
        """The page behind a cursor; asked for again, it is the same."""
        cursor = self._cursors.get(request.query_params.get("cursor", ""))
        if cursor is None:
            raise Refused(410, "expired", "this page is gone: search again")
        return self._bundle(cursor.rest, cursor.page, cursor.total, f"?{request.url.query}")

    def _bundle(self, resources: list[Json], page: int, total: int, here: str) -> Response:
        """A page, with an absolute link to the next as real servers give it."""
        shown, rest = resources[:page], resources[page:]
        links = [{"relation": "self", "url": f"{self.fhir}/{here}" if here[0] != "?" else f"{self.fhir}{here}"}]
        if rest:
            token = secrets.token_urlsafe(12)
            self._cursors[token] = Cursor(rest, page, total)
            while len(self._cursors) > _MOST_CURSORS:
                self._cursors.pop(next(iter(self._cursors)))
            links.append({"relation": "next", "url": f"{self.fhir}?cursor={token}"})
        entries = [
            {"fullUrl": f"{self.fhir}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
            for r in shown
        ]
        return _json({"resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries})

    # Changing

    async def _create(self, request: Request) -> Response:
        resource = await self._sent(request) | {"id": secrets.token_hex(6), "meta": {"versionId": "1"}}
        self.records.add(resource)
        place = f"{self.fhir}/{resource['resourceType']}/{resource['id']}/_history/1"
        return _json(resource, 201, {"location": place, "etag": 'W/"1"'})

    async def _update(self, request: Request) -> Response:
        old = self._one(request.path_params["type"], request.path_params["id"])
        version = _version(old)
        if request.headers.get("if-match", f'W/"{version}"') != f'W/"{version}"':
            raise Refused(412, "conflict", "somebody has changed it since")
        new = await self._sent(request)
        if new.get("id") != old["id"] or patients_of(new) != patients_of(old):
            raise Refused(400, "invalid", "the id or the patient is another than before")
        new |= {"meta": {"versionId": str(int(version) + 1)}}
        self.records.add(new)
        return _json(new, headers={"etag": f'W/"{_version(new)}"'})

    async def _sent(self, request: Request) -> Json:
        kind = request.path_params["type"]
        if kind not in _WRITABLE:
            raise Refused(405, "not-supported", f"`{kind}` cannot be written here")
        try:
            resource = await request.json()
        except (ValueError, RecursionError):
            raise Refused(400, "structure", "that is not JSON") from None
        if not isinstance(resource, dict) or resource.get("resourceType") != kind:
            raise Refused(400, "invalid", "the resource is of another type than the address says")
        if not (about := patients_of(resource)) or not about <= self.records.by_type["Patient"].keys():
            raise Refused(422, "business-rule", "the resource is about no patient of this EPR")
        return resource


async def _unknown(request: Request) -> Response:
    raise Refused(404, "not-supported", "there is no such interaction here")


def _pairs(encoded: bytes) -> Parameters:
    try:
        return parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refused(400, "invalid", "the parameters are not form-encoded UTF-8") from None


def _version(resource: Json) -> str:
    return str(resource.get("meta", {}).get("versionId", "1"))


def _json(resource: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(resource, status, headers=headers, media_type="application/fhir+json")


def _capabilities() -> Json:
    def can(kind: str) -> Json:
        writes = ["create", "update"] if kind in _WRITABLE else []
        return {"type": kind, "interaction": [{"code": code} for code in ("read", "search-type", *writes)]}

    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-26",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "resource": [can(kind) for kind in ("Patient", *ABOUT_A_PATIENT)]}],
    }
