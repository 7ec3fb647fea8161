"""Systems that are opened and not brokered, as the gateway holds them: what opens each, and how honest we can be about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import Launches, State
from policies.model import AccessRequest, Action, PatientRef, Resource

from .config import SystemTable

if TYPE_CHECKING:
    from .sessions import Seat


@dataclass(frozen=True, slots=True)
class Launched:
    """One `[[systems]]` entry whose connector opens it. Nothing of it passes here."""

    table: SystemTable
    connector: Launches
    state: State

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def title(self) -> str:
        return self.table.title


@dataclass(frozen=True, slots=True)
class Opening:
    """Opening one, maybe at a patient, as the policies are asked for it: the click is what we see."""

    system: str
    patients: frozenset[PatientRef] = frozenset()

    def asked(self, seat: Seat, now: float, *, freshly: bool = False) -> AccessRequest:
        resource = Resource(self.system, "page", "open", self.patients)
        return AccessRequest(seat.principal(now), Action.LAUNCH, resource, seat.context(now, freshly=freshly))
