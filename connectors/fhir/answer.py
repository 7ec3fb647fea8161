"""Patients whom a FHIR answer names, and its links: one strict pass over the JSON.

Two keys of one name are refused: a browser would show the one that we did not journal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from policies.model import PatientRef

from ..errors import BadRequest, SystemMisbehaves
from ..routes import NHS_NUMBER, reference
from .patients import NHS_SYSTEM, PatientNames

PAGES = frozenset({"next", "previous", "prev", "first", "last"})


@dataclass(slots=True)
class Found:
    """What a resource says: its type, the patients in it, the links of a Bundle that lead to other pages."""

    resource_type: str = ""
    patients: frozenset[PatientRef] = frozenset()
    pages: list[str] = field(default_factory=list)


class _Doubled(ValueError):
    pass


# The names by which patients are told. Some servers read them in any case.
_TELLING = {name.lower(): name for name in ("resourceType", "reference", "identifier", "id")}


def _one_case(keys: dict[str, Any]) -> bool:
    """No two names that differ in case only, and the telling ones as they are spelt."""
    folded = {name.lower(): name for name in keys}
    return len(folded) == len(keys) and all(folded.get(low, name) == name for low, name in _TELLING.items())


class _Pass:
    """json's object hook: sees every object once, innermost first."""

    def __init__(self, names: PatientNames, *, written: bool) -> None:
        self._names = names
        self._written = written
        self.patients: set[PatientRef] = set()

    def see(self, items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items) or (self._written and not _one_case(found)):
            raise _Doubled
        if isinstance(value := found.get("reference"), str):
            self.patients |= self._names.referred(value)
            if isinstance(logical := found.get("identifier"), dict):
                self._identified(logical)
        if found.get("resourceType") == "Patient":
            if isinstance(id_ := found.get("id"), str):
                self.patients |= self._names.referred(f"Patient/{id_}")
            for identifier in found.get("identifier") or ():
                if isinstance(identifier, dict):
                    self._identified(identifier)
        return found

    def _identified(self, identifier: dict[str, Any]) -> None:
        if identifier.get("system") == NHS_SYSTEM and isinstance(value := identifier.get("value"), str):
            self.patients |= {ref for ref in (reference(NHS_NUMBER, value),) if ref}


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _read(body: bytes, names: PatientNames, *, written: bool) -> Found:
    seen = _Pass(names, written=written)
    # Decimals stay text here: nothing is calculated, and the body itself is what is sent on.
    resource = json.loads(body, object_pairs_hook=seen.see, parse_constant=_no_constant, parse_float=str)
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise ValueError("no resource")
    links = resource.get("link") if resource["resourceType"] == "Bundle" else None
    pages = [
        link["url"]
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and link.get("relation") in PAGES and isinstance(link.get("url"), str)
    ]
    return Found(resource["resourceType"], frozenset(seen.patients), pages)


def read_answer(body: bytes, names: PatientNames) -> Found:
    """Raises SystemMisbehaves."""
    try:
        return _read(body, names, written=False)
    except _Doubled:
        raise SystemMisbehaves("the system answered with the same key twice in one object") from None
    except (ValueError, RecursionError):
        raise SystemMisbehaves("the system answered with something that is not a FHIR resource in JSON") from None


def read_resource(body: bytes, names: PatientNames) -> Found:
    """A resource that somebody wants to write. Raises BadRequest."""
    try:
        return _read(body, names, written=True)
    except _Doubled:
        raise BadRequest(
            "the body has the same key twice in one object, or a key in another case than FHIR's"
        ) from None
    except (ValueError, RecursionError):
        raise BadRequest("the body is not a FHIR resource in JSON") from None
