"""A FHIR R4 request into what it asks: interaction, resource type, patients (HL7 FHIR R4, RESTful API and Search).

Servers merge a search's query and its form, so both are judged together. A patient named in two ways that differ, a search that
names none, and whatever would answer in another format than JSON is refused: what cannot be read cannot be journalled.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from policies.model import Action, Disclosure, PatientRef, Resource

from ..errors import BadRequest, NotBrokered
from ..messages import InboundRequest
from ..routes import pairs
from .answer import read_resource
from .patients import PatientNames, is_id

BODY_LIMIT = 2 * 1024 * 1024
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_FORMATS = frozenset({"json", "application/json", "application/fhir+json", "application/json+fhir", ""})
_JSON = frozenset({b"application/fhir+json", b"application/json", b"application/json+fhir"})
# Types that are about no patient: directories, schedules, definitions.
ABOUT_NOBODY = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Endpoint", "Medication", "Substance",
     "Schedule", "Slot", "Questionnaire", "ValueSet", "CodeSystem", "StructureDefinition", "SearchParameter", "OperationDefinition",
     "CapabilityStatement", "PlanDefinition", "ActivityDefinition", "Library", "Device"}
)  # fmt: skip
_PATIENT_PARAMETERS = frozenset({"patient", "subject", "beneficiary", "for"})
_SAFE = ("GET", "HEAD")
# Parameters that ask about other kinds than the one that is named: a search by them answers what nobody was asked.
_BEYOND = frozenset({"_has", "_filter", "_query"})
_INCLUDES = frozenset({"_include", "_revinclude"})
LARGEST_PAGE = 1000  # resources, as `_count` asks for them


@dataclass(frozen=True, slots=True)
class Question:
    action: Action
    resource: Resource


class QuestionReader:
    def __init__(self, system: str, bases: tuple[str, ...]) -> None:
        """`bases`: this server's own base addresses, as absolute references to it may begin."""
        self._system = system
        self.names = PatientNames(system, bases)

    async def read(self, inbound: InboundRequest, path: bytes) -> Question:
        """`path` is relative to the FHIR base, without a leading slash. Raises BadRequest, NotBrokered."""
        parts = [unquote_to_bytes(s).decode("utf-8", "replace") for s in path.split(b"/")] if path else []
        parameters = pairs(inbound.query, "utf-8")
        if parts and parts[-1] == "_search" and inbound.method == "POST":
            parameters += await self._form(inbound)
            parts.pop()
            return self._search(parts, parameters)
        self._json_only(parameters)
        if inbound.method in _SAFE:
            return self._look(parts, parameters)
        return await self._change(inbound, parts, parameters)

    async def _form(self, inbound: InboundRequest) -> list[tuple[str, str]]:
        if inbound.media_type() != b"application/x-www-form-urlencoded":
            raise BadRequest("a search by POST is sent as a form (application/x-www-form-urlencoded)")
        return pairs(await inbound.body.hold(BODY_LIMIT), "utf-8")

    def _look(self, parts: list[str], parameters: list[tuple[str, str]]) -> Question:
        match parts:
            case ["metadata"]:
                return self._question(Action.ENTER, "capabilitystatement", "metadata")
            case [kind]:
                return self._search([kind], parameters)
            case ["Patient", id_, "$everything"]:
                return self._question(Action.READ, "record", "everything", self.names.known(id_))
            case ["Patient", id_, kind] if _is_type(kind):
                return self._compartment(id_, kind, parameters)
            case [kind, id_] | [kind, id_, "_history"] | [kind, id_, "_history", _]:
                self._plain(kind, id_)
                known = self.names.known(id_) if kind == "Patient" else frozenset[PatientRef]()
                return self._question(Action.READ, kind.lower(), "read", known)
        raise NotBrokered("this FHIR interaction is not connected: read, search or `Patient/…/$everything` are")

    def _search(self, parts: list[str], parameters: list[tuple[str, str]]) -> Question:
        self._json_only(parameters)
        if len(parts) == 3 and parts[0] == "Patient":
            _, id_, kind = parts
            self._plain(kind, id_)
            return self._compartment(id_, kind, parameters)
        if len(parts) != 1 or not _is_type(parts[0]):
            raise NotBrokered("a search over all types is not connected: name the type")
        kind = parts[0]
        patients = self._one(frozenset(), kind, parameters)
        included = _included(parameters)
        if "_revinclude" in included or (included and kind not in ABOUT_NOBODY):
            if not patients:
                raise BadRequest("a search that includes other records needs a patient")
            return self._question(Action.READ, "record", "include", patients)
        if kind == "Patient":
            return self._question(Action.SEARCH, "patient", "search", patients)
        if kind in ABOUT_NOBODY:
            return self._question(Action.READ, kind.lower(), "directory", patients)
        if not patients:
            raise BadRequest(f"a search for `{kind}` needs a patient: add `patient=…`")
        return self._question(Action.READ, kind.lower(), "search", patients)

    def _compartment(self, id_: str, kind: str, parameters: list[tuple[str, str]]) -> Question:
        patients = self._one(self.names.known(id_), kind, parameters)
        what = "record" if _included(parameters) else kind.lower()
        return self._question(Action.READ, what, "compartment", patients)

    async def _change(self, inbound: InboundRequest, parts: list[str], parameters: list[tuple[str, str]]) -> Question:
        if not parts:
            raise NotBrokered("batches and transactions are not connected: send each request by itself")
        kind = parts[0]
        if not _is_type(kind) or len(parts) > 2 or any(p.startswith(("$", "_")) for p in parts):
            raise NotBrokered("this FHIR operation is not connected")
        if len(parts) == 2:
            self._plain(kind, parts[1])
        known = self.names.known(parts[1]) if kind == "Patient" and len(parts) == 2 else frozenset[PatientRef]()
        known = self._one(known, kind, parameters)
        if inbound.method in ("POST", "PUT"):
            if inbound.media_type(b"application/fhir+json") not in _JSON:
                raise BadRequest("a resource is sent as JSON (application/fhir+json)")
            known = self._in_body(await inbound.body.hold(BODY_LIMIT), kind, known)
        if len(parts) == 1 and inbound.method != "POST" and not known and kind not in ABOUT_NOBODY:
            raise BadRequest("a change by search needs a patient: nothing was sent")
        return self._question(Action.WRITE, kind.lower(), inbound.method.lower(), known)

    def _in_body(self, body: bytes, kind: str, known: frozenset[PatientRef]) -> frozenset[PatientRef]:
        found = read_resource(body, self.names)
        if found.resource_type != kind:
            raise BadRequest(f"the body is a `{found.resource_type}`, the address says `{kind}`")
        local = {p for p in known | found.patients if p.namespace == self.names.namespace}
        if len(local) > 1:
            raise BadRequest("the body names more than one patient: nothing was sent")
        return known | found.patients

    def _one(self, known: frozenset[PatientRef], kind: str, parameters: list[tuple[str, str]]) -> frozenset[PatientRef]:
        """Patients named by search parameters; each parameter must agree with the ones before."""
        agreed = set(known)
        for name, value in parameters:
            found = self._named(kind, name, value)
            if not found:
                continue
            for namespace in {p.namespace for p in found}:
                before = {p for p in agreed if p.namespace == namespace}
                if before and before != {p for p in found if p.namespace == namespace}:
                    raise BadRequest(f"`{name}` names another patient than the rest of the request: nothing was sent")
            agreed |= found
        return frozenset(agreed)

    def _named(self, kind: str, name: str, value: str) -> set[PatientRef]:
        bare, _, modifier = name.partition(":")
        field, _, chain = bare.partition(".")
        if kind == "Patient" and bare == "_id":
            return {ref for v in value.split(",") for ref in self.names.known(v)}
        if (kind == "Patient" and bare == "identifier") or (
            field in _PATIENT_PARAMETERS and "identifier" in (chain, modifier)
        ):
            return {ref for v in value.split(",") if (ref := self.names.identified(v))}
        if bare in _PATIENT_PARAMETERS and modifier in ("", "Patient"):
            found = {ref for v in value.split(",") for ref in self.names.referred(v, bare_is_patient=True)}
            if not found:
                raise BadRequest(f"`{name}` names no patient of this system")
            return found
        return set()

    def _plain(self, kind: str, id_: str) -> None:
        if not _is_type(kind) or not is_id(id_):
            raise NotBrokered("this FHIR interaction is not connected")

    def _json_only(self, parameters: list[tuple[str, str]]) -> None:
        for name, value in parameters:
            if name == "_format" and value.partition(";")[0].strip().lower() not in _FORMATS:
                raise BadRequest("only JSON is served here: leave `_format` out")

    def _question(
        self, action: Action, kind: str, route: str, patients: frozenset[PatientRef] = frozenset()
    ) -> Question:
        disclosure = {
            Action.READ: Disclosure.OPENED,
            Action.SEARCH: Disclosure.LISTED,
            Action.WRITE: Disclosure.CHANGED,
        }
        changing = action is Action.WRITE
        resource = Resource(self._system, kind, route, patients, disclosure.get(action, Disclosure.NONE), changing)
        return Question(action, resource)


def _is_type(kind: str) -> bool:
    """A type's name; not `PATIENT`, which a server that ignores case would take for one, and whose patient nobody would see."""
    return bool(_TYPE.fullmatch(kind)) and (kind == "Patient" or kind.lower() not in ("patient", "patients"))


def _included(parameters: list[tuple[str, str]]) -> set[str]:
    """Which parameters bring other kinds into the answer. Raises BadRequest, NotBrokered where that has no bound."""
    found: set[str] = set()
    for name, value in parameters:
        bare, _, modifier = name.partition(":")
        if bare in _BEYOND:
            raise NotBrokered(f"`{bare}` is not connected: it asks about other records than it names")
        if bare in _INCLUDES:
            if value.startswith("*") or (modifier and bare == "_revinclude"):
                raise NotBrokered(f"`{bare}` of everything is not connected: name what is to be included")
            found.add(bare)
        if bare == "_count" and not (re.fullmatch("[0-9]{1,4}", value) and int(value) <= LARGEST_PAGE):
            raise BadRequest(f"`_count` is a number up to {LARGEST_PAGE}: turn the page for more")
    return found


def to_json(question: Question) -> str:
    """For a paging token: the question that a page belongs to."""
    r = question.resource
    patients = sorted([p.namespace, p.value] for p in r.patients)
    return json.dumps([question.action, r.kind, r.route, patients, r.disclosure, r.changing])


def from_json(text: str, system: str) -> Question:
    action, kind, route, patients, disclosure, changing = json.loads(text)
    refs = frozenset(PatientRef(namespace, value) for namespace, value in patients)
    return Question(Action(action), Resource(system, kind, route, refs, Disclosure(disclosure), changing))
