"""FHIR R4 resources: of invented patients, or of a folder of bundles (Synthea's, or anybody's); and who is in them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from .people import WARDS, Patient
from .resources import NHS_SYSTEM, Json, resources_of

__all__ = ["NHS_SYSTEM", "Json", "Records", "patients_of"]


class Records:
    """Resources by type and id, and by the patient that they are about."""

    def __init__(self) -> None:
        self.by_type: dict[str, dict[str, Json]] = defaultdict(dict)
        self.by_patient: dict[str, list[Json]] = defaultdict(list)

    def add(self, resource: Json) -> None:
        """Takes the place of an older one with the same id, whomever that was about."""
        known = self.by_type[resource["resourceType"]]
        old = known.get(resource["id"])
        known[resource["id"]] = resource
        if old is not None:
            for patient in patients_of(old):
                self.by_patient[patient].remove(old)
        for patient in patients_of(resource):
            self.by_patient[patient].append(resource)

    @classmethod
    def invented(cls, people: Iterable[Patient]) -> Records:
        records = cls()
        for person in people:
            for resource in resources_of(person):
                records.add(resource)
        return records

    @classmethod
    def of_folder(cls, folder: Path) -> Records:
        """Every bundle below `folder`, its `urn:uuid:` references resolved. Raises ValueError where there is none."""
        records = cls()
        for path in sorted(folder.rglob("*.json")):
            for resource in _resolved(_bundle(path)):
                records.add(resource)
        if not records.by_type["Patient"]:
            raise ValueError(f"`{folder}` holds no FHIR bundle with a patient in it: name a folder of FHIR R4 bundles")
        return records

    def people(self) -> list[Patient]:
        """The same patients as the PAS knows them: under hospital numbers of its own."""
        return [_person(p, index) for index, p in enumerate(self.by_type["Patient"].values())]


def patients_of(resource: Json) -> set[str]:
    """The ids of the patients whom a resource is about."""
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    named = [resource.get(key) for key in ("subject", "patient", "beneficiary")]
    named += [p.get("actor") for p in resource.get("participant", ()) if isinstance(p, dict)]
    found = {str(ref.get("reference", "")) for ref in named if isinstance(ref, dict)}
    return {ref.removeprefix("Patient/") for ref in found if ref.startswith("Patient/")}


def _bundle(path: Path) -> Json:
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise ValueError(f"`{path}` is not valid JSON: take it out of the folder") from None
    return value if isinstance(value, dict) and value.get("resourceType") == "Bundle" else {}


def _resolved(bundle: Json) -> Iterator[Json]:
    """A bundle's resources with ids of their own, and references to them as `Type/id` (FHIR R4, Bundle, 2.36.4.1)."""
    entries = [(e.get("fullUrl", ""), e["resource"]) for e in bundle.get("entry", ()) if "resource" in e]
    placed = [(url, r | {"id": r.get("id") or url.rpartition(":")[2]}) for url, r in entries]
    places = {url: f"{r['resourceType']}/{r['id']}" for url, r in placed if url and r["id"]}
    for _, resource in placed:
        if resource["id"]:
            yield {"meta": {"versionId": "1"}} | _rewritten(resource, places)


def _rewritten(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            k: places.get(v, v) if k == "reference" and isinstance(v, str) else _rewritten(v, places)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_rewritten(item, places) for item in value]
    return value


def _person(patient: Json, index: int) -> Patient:
    name: Json = next(iter(patient.get("name") or ()), {})
    address: Json = next(iter(patient.get("address") or ()), {})
    lines = [*address.get("line", ()), address.get("city", ""), address.get("postalCode", "")]
    identifiers = [i for i in patient.get("identifier") or () if isinstance(i, dict)]
    return Patient(
        id=patient["id"],
        hospital_number=f"H{204000 + 37 * index}",
        nhs_number=next((str(i.get("value", "")) for i in identifiers if i.get("system") == NHS_SYSTEM), ""),
        family=str(name.get("family") or "Not Known"),
        given=" ".join(name.get("given") or ()) or "Not Known",
        gender=str(patient.get("gender") or "unknown"),
        born=_born(patient),
        address=address.get("text") or ", ".join(line for line in lines if line) or "Not Known",
        ward=WARDS[index % len(WARDS)],
        bed=index // len(WARDS) + 1,
    )


def _born(patient: Json) -> date | None:
    """None for a date that is missing or known in part only (FHIR R4, `date`)."""
    try:
        return date.fromisoformat(str(patient.get("birthDate", "")))
    except ValueError:
        return None
