"""The four parts of an access request, and the facts weighed beside it.

Terms: Cedar (principal, action, resource, context) and NIST SP 800-162. Plain values: nothing here
reads a clock or touches a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What is asked. A route declares it; an HTTP method never decides it."""

    ENTER = "enter"  # a system's own pages that concern no patient
    SEARCH = "search"  # find patients
    LIST = "list"  # a list that names patients (a ward, a work list)
    READ = "read"  # open a part of one patient's record
    WRITE = "write"  # change a record
    PRINT = "print"
    EXPORT = "export"
    LAUNCH = "launch"  # start something that we do not see into
    AUDIT = "audit"  # read the journal
    VOUCH = "vouch"  # say who somebody is who signs on without the identity provider
    MANAGE_DEVICES = "manage_devices"  # see which devices are known; with a resource that is `changing`, change that
    READ_DEVICE_ACTIVITY = "read_device_activity"  # read, out of the journal, what was opened on a device


class Disclosure(StrEnum):
    """How much of a record an access shows, as the journal says it."""

    LISTED = "listed"
    OPENED = "opened"
    CHANGED = "changed"
    PRINTED = "printed"
    EXPORTED = "exported"
    NONE = "none"


class Purpose(StrEnum):
    """Purpose of use (HL7 v3 ActReason; IHE)."""

    TREATMENT = "TREAT"
    EMERGENCY = "ETREAT"
    BREAK_GLASS = "BTG"


class DeviceClass(StrEnum):
    PHONE = "phone"
    TABLET = "tablet"
    DESKTOP = "desktop"


class Ownership(StrEnum):
    SHARED = "shared"
    ISSUED = "issued"
    PERSONAL = "personal"
    UNKNOWN = "unknown"


class Posture(StrEnum):
    """Where the network zone says that the device is."""

    ON_SITE = "on-site"
    OFF_SITE = "off-site"


class Known(StrEnum):
    """A fact that may be unknown: `unknown` is a value, never a default to yes or no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PatientRef:
    """One patient as one namespace names them: `nhs-number`, or a local id in `system:<name>`."""

    namespace: str
    value: str = field(repr=False)  # never printed into a log by accident


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: made from VerifiedClaims only (sso/claims.py). The user key is (issuer, subject)."""

    issuer: str
    subject: str
    name: str
    role: str  # the selected role as the provider names it, kept whole for the journal
    roles: frozenset[str]  # the names that policies use: nurse, doctor, receptionist, privacy-officer, security-officer
    organisation: str = ""
    assurance: int = 1  # authentication assurance level, 1 to 3 (NIST SP 800-63B)


@dataclass(frozen=True, slots=True)
class Device:
    """What the session runs on. The class is a hint; the zone is the only early fact."""

    id: str = ""  # of an enrolled device that has proved itself; empty for any other
    name: str = ""
    device_class: DeviceClass = DeviceClass.DESKTOP
    ownership: Ownership = Ownership.UNKNOWN
    managed: bool = False
    zone: str = ""
    posture: Posture = Posture.OFF_SITE


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for: a kind of thing in a system, about the patients known from the request."""

    system: str
    kind: str  # e.g. `patient`, `observation`, `medication`, `page`, `list`
    route: str  # the id of the route that matched; `""` where none names the request
    patients: frozenset[PatientRef] = frozenset()
    disclosure: Disclosure = Disclosure.NONE
    changing: bool = False  # the route is declared as changing something, whatever its method


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances. Coarse classes only: instants and ids would defeat the memo."""

    device: Device
    purpose: Purpose = Purpose.TREATMENT
    unlocked: bool = True
    proof_method: str = "federated"  # how the clinician last proved themselves
    proof_fresh: bool = True  # within the step-up window (300 s)
    provider_away: bool = False  # claims could not be checked again; the shift goes on, flagged
    offline: bool = False  # the shift began by an emergency sign-on: no provider has confirmed it
    keepable: frozenset[str] = frozenset()  # obligations that this connector can keep


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine may weigh beside the request (policy information point)."""

    relationship: Known = Known.UNKNOWN
    break_glass: Known = Known.NO
    restricted: Known = Known.UNKNOWN


@dataclass(frozen=True, slots=True)
class AccessRequest:
    principal: Principal
    action: Action
    resource: Resource
    context: Context

    @property
    def patients(self) -> frozenset[PatientRef]:
        return self.resource.patients
