"""FHIR R4 search parameters into the resources that they find (HL7 FHIR R4, Search, section 3.1.1).

A parameter that is not known is refused: a server that leaves it out would answer with other patients than were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .records import Json, Records

Parameters = Sequence[tuple[str, str]]
ABOUT_A_PATIENT = (
    "Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter", "DocumentReference", "Appointment",
    "Procedure", "Immunization", "DiagnosticReport", "CarePlan",
)  # fmt: skip
_DATES = ("effectiveDateTime", "effectivePeriod", "onsetDateTime", "recordedDate", "authoredOn", "period", "date", "start",
          "performedDateTime", "performedPeriod", "occurrenceDateTime")  # fmt: skip
_ABOUT_THE_ANSWER = frozenset({"_count", "_sort", "_format", "_pretty", "_total"})
_MOST = 100  # resources a page


class Refused(Exception):
    """What becomes an OperationOutcome: a status, an issue code, a text without anything of a patient in it."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def found(records: Records, kind: str, parameters: Parameters, base: str) -> list[Json]:
    """Every match, in the order asked for. `base`: the server's own, as absolute references begin. Raises Refused."""
    if kind == "Patient":
        tests, resources = _PATIENT, list(records.by_type["Patient"].values())
        resources.sort(key=lambda p: (_family(p), p["id"]))
    elif kind in ABOUT_A_PATIENT:
        tests, resources = _CLINICAL, _about(records, kind, parameters, base)
    else:
        raise Refused(404, "not-supported", f"`{kind}` cannot be searched")
    for name, value in parameters:
        if name not in tests and name not in _ABOUT_THE_ANSWER:
            raise Refused(400, "not-supported", f"the search parameter `{name}` is not known")
        if name in tests and value:
            choices = [_unescaped(choice) for choice in value.replace("\\,", "\0").split(",")]
            resources = [r for r in resources if any(tests[name](r, choice) for choice in choices)]
    return _sorted(resources, parameters)


def count(parameters: Parameters, default: int, most: int = _MOST) -> int:
    """How many a page may hold. Raises Refused."""
    said = next((value for name, value in parameters if name == "_count" and value), str(default))
    if not (said.isascii() and said.isdigit()) or len(said) > 6 or int(said) == 0:
        raise Refused(400, "value", "`_count` is a number from 1")
    return min(int(said), most)


def _about(records: Records, kind: str, parameters: Parameters, base: str) -> list[Json]:
    wanted = {
        value.removeprefix(f"{base}/").removeprefix("Patient/")
        for name, value in parameters
        if name in ("patient", "subject")
    }
    if len(wanted) != 1 or "" in wanted:
        raise Refused(400, "required", "a search needs exactly one `patient`")
    return [r for r in records.by_patient.get(wanted.pop(), ()) if r["resourceType"] == kind]


def _sorted(resources: list[Json], parameters: Parameters) -> list[Json]:
    keys: dict[str, Callable[[Json], Any]] = {
        "date": _date,
        "_id": lambda r: r["id"],
        "family": _family,
        "name": _family,
    }
    for key in reversed(next((v for n, v in parameters if n == "_sort" and v), "").split(",")):
        if key and key.removeprefix("-") not in keys:
            raise Refused(400, "not-supported", f"`_sort={key}` is not known: sort by `date`, `family` or `_id`")
        if key:
            resources = sorted(resources, key=keys[key.removeprefix("-")], reverse=key.startswith("-"))
    return resources


def _unescaped(choice: str) -> str:
    return choice.replace("\0", ",").replace("\\|", "|").replace("\\$", "$").replace("\\\\", "\\")


def _family(patient: Json) -> str:
    return next((str(n.get("family", "")) for n in patient.get("name", ())), "")


def _name(patient: Json, value: str) -> bool:
    return _family_is(patient, value) or _given_is(patient, value)


def _family_is(patient: Json, value: str) -> bool:
    return any(str(n.get("family", "")).casefold().startswith(value.casefold()) for n in patient.get("name", ()))


def _given_is(patient: Json, value: str) -> bool:
    names = [given for n in patient.get("name", ()) for given in n.get("given", ())]
    return any(given.casefold().startswith(value.casefold()) for given in names)


def _identifier(patient: Json, value: str) -> bool:
    system, bar, number = value.rpartition("|")
    return any(
        i.get("value") == number.replace(" ", "") and (not bar or i.get("system", "") == system)
        for i in patient.get("identifier", ())
    )


def _coded(*fields: str) -> Callable[[Json, str], bool]:
    """A token search: `code`, `system|code` or `|code` (section 3.1.1.4.10)."""

    def test(resource: Json, value: str) -> bool:
        system, bar, code = value.rpartition("|")
        return any(
            coding.get("code") == code and (not bar or coding.get("system", "") == system)
            for field in fields
            for coding in _codings(resource.get(field))
        )

    return test


def _codings(value: Any) -> list[Json]:
    concepts = value if isinstance(value, list) else [value]
    found: list[Json] = []
    for concept in concepts:
        if isinstance(concept, str):
            found.append({"code": concept})
        elif isinstance(concept, dict):
            found += concept.get("coding", [concept])
    return found


def _date(resource: Json) -> str:
    value = next((resource[name] for name in _DATES if name in resource), "")
    return str(value.get("start", "") if isinstance(value, dict) else value)


def _dated(of: Callable[[Json], str]) -> Callable[[Json, str], bool]:
    """`2026-11`, `ge2026-11-01` and so on: as exact as what was asked for (section 3.1.1.4.5)."""

    def test(resource: Json, value: str) -> bool:
        prefix, wanted = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
        had = of(resource)[: len(wanted)]
        match prefix:
            case "eq":
                return had == wanted
            case "ge":
                return had >= wanted
            case "gt":
                return had > wanted
            case "le":
                return bool(had) and had <= wanted
            case "lt":
                return bool(had) and had < wanted
        raise Refused(400, "value", f"the date prefix `{prefix}` is not known: use eq, ge, gt, le or lt")

    return test


def _is_id(resource: Json, value: str) -> bool:
    return bool(resource["id"] == value)


_PATIENT: dict[str, Callable[[Json, str], bool]] = {
    "name": _name,
    "family": _family_is,
    "given": _given_is,
    "identifier": _identifier,
    "birthdate": _dated(lambda p: str(p.get("birthDate", ""))),
    "gender": _coded("gender"),
    "_id": _is_id,
}
_CLINICAL: dict[str, Callable[[Json, str], bool]] = {
    "patient": lambda resource, value: True,  # judged in `_about`
    "subject": lambda resource, value: True,
    "code": _coded("code", "medicationCodeableConcept", "type", "vaccineCode"),
    "category": _coded("category"),
    "status": _coded("status"),
    "clinical-status": _coded("clinicalStatus"),
    "date": _dated(_date),
    "_id": _is_id,
}
