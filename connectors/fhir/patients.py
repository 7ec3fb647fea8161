"""Patients as a FHIR server names them: ids of its own, references to them, and NHS numbers (HL7 FHIR R4, References)."""

from __future__ import annotations

import re

from policies.model import PatientRef

from ..errors import BadRequest
from ..routes import NHS_NUMBER, reference

NHS_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def is_id(text: str) -> bool:
    """Whether it is a logical id (HL7 FHIR R4, datatypes: id)."""
    return _ID.fullmatch(text) is not None


class PatientNames:
    """What one server's words for a patient mean."""

    def __init__(self, system: str, bases: tuple[str, ...]) -> None:
        """`bases`: this server's own base addresses, as absolute references to it may begin."""
        self.namespace = f"system:{system}"
        self._bases = tuple(f"{base}/" for base in bases)

    def known(self, id_: str) -> frozenset[PatientRef]:
        """By the server's own id. Raises BadRequest."""
        if not is_id(id_):
            raise BadRequest("that is no FHIR id")
        return frozenset({PatientRef(self.namespace, id_)})

    def referred(self, value: str, *, bare_is_patient: bool = False) -> frozenset[PatientRef]:
        """`Patient/x`, an absolute reference to this server, or (in a search) a bare id."""
        for base in self._bases:
            value = value.removeprefix(base)
        kind, slash, rest = value.partition("/")
        if not slash:
            return self.known(value) if bare_is_patient and is_id(value) else frozenset()
        id_ = rest.partition("/_history")[0]
        if kind == "Patient" and is_id(id_):
            return frozenset({PatientRef(self.namespace, id_)})
        return frozenset()

    def identified(self, value: str) -> PatientRef | None:
        """`system|number` or a number alone, as a search by `identifier` gives it."""
        system, bar, number = value.rpartition("|")
        return reference(NHS_NUMBER, number) if not bar or system in (NHS_SYSTEM, "") else None
