"""A few words of an auditor's (`nurse`, `read`, `observation`) into a whole access request with its facts.

Whatever is not said is as it mostly is: signed on with two factors just now, at an unlocked PC of the hospital that is
managed and was issued to the clinician; one patient; no break-glass; nobody knows of a care relationship or a seal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from .model import (
    AccessRequest,
    Action,
    Context,
    Device,
    DeviceClass,
    Disclosure,
    Facts,
    Known,
    Ownership,
    PatientRef,
    Posture,
    Principal,
    Purpose,
    Resource,
)

_DISCLOSES = {
    Action.LIST: Disclosure.LISTED,
    Action.SEARCH: Disclosure.LISTED,
    Action.READ: Disclosure.OPENED,
    Action.WRITE: Disclosure.CHANGED,
    Action.PRINT: Disclosure.PRINTED,
    Action.EXPORT: Disclosure.EXPORTED,
}
_COUNTS = {"none": 0, "one": 1, "many": 2}

KEYS: dict[str, Any] = {
    "assurance": 2,
    "organisation": "",
    "route": "",
    "patients": "one",
    "disclosure": None,
    "changing": None,
    "device_class": "desktop",
    "ownership": "issued",
    "managed": True,
    "zone": "wards",
    "posture": "on-site",
    "purpose": "TREAT",
    "unlocked": True,
    "proof_method": "federated",
    "proof_fresh": True,
    "provider_away": False,
    "offline": False,
    "keepable": [],
    "relationship": "unknown",
    "break_glass": "no",
    "restricted": "unknown",
}  # what `given` may say, and what holds when it does not


def scene(
    who: str | list[str], does: str, what: str, system: str, given: Mapping[str, Any]
) -> tuple[AccessRequest, Facts]:
    """Raises ValueError naming the word that is not known."""
    for key in sorted(given.keys() - KEYS.keys()):
        raise ValueError(f"`given.{key}` is unknown: use {', '.join(KEYS)}")
    g = {**KEYS, **given}
    for key, usual in KEYS.items():
        if usual is not None and type(g[key]) is not type(usual):
            raise ValueError(f"`given.{key}` is a {type(usual).__name__}: write it like `{usual}`")
    roles = [who] if isinstance(who, str) else who
    principal = Principal(
        issuer="https://idp.example",
        subject="example",
        name="Example",
        role=", ".join(roles),
        roles=frozenset(roles),
        organisation=g["organisation"],
        assurance=g["assurance"],
    )
    action = _one_of(Action, "does", does)
    facts = Facts(
        relationship=_one_of(Known, "given.relationship", g["relationship"]),
        break_glass=_one_of(Known, "given.break_glass", g["break_glass"]),
        restricted=_one_of(Known, "given.restricted", g["restricted"]),
    )
    return AccessRequest(principal, action, _resource(action, what, system, g), _context(g)), facts


def _resource(action: Action, kind: str, system: str, g: Mapping[str, Any]) -> Resource:
    if g["patients"] not in _COUNTS:
        raise ValueError(f"`given.patients` cannot be `{g['patients']}`: use {', '.join(_COUNTS)}")
    shown = _DISCLOSES.get(action, Disclosure.NONE)
    return Resource(
        system=system,
        kind=kind,
        route=g["route"],
        patients=frozenset(PatientRef("example", str(n)) for n in range(_COUNTS[g["patients"]])),
        disclosure=shown if g["disclosure"] is None else _one_of(Disclosure, "given.disclosure", g["disclosure"]),
        changing=action is Action.WRITE if g["changing"] is None else g["changing"],
    )


def _context(g: Mapping[str, Any]) -> Context:
    device = Device(
        name="Example PC",
        device_class=_one_of(DeviceClass, "given.device_class", g["device_class"]),
        ownership=_one_of(Ownership, "given.ownership", g["ownership"]),
        managed=g["managed"],
        zone=g["zone"],
        posture=_one_of(Posture, "given.posture", g["posture"]),
    )
    return Context(
        device=device,
        purpose=_one_of(Purpose, "given.purpose", g["purpose"]),
        unlocked=g["unlocked"],
        proof_method=g["proof_method"],
        proof_fresh=g["proof_fresh"],
        provider_away=g["provider_away"],
        offline=g["offline"],
        keepable=frozenset(g["keepable"]),
    )


_Enum = TypeVar("_Enum", bound=StrEnum)


def _one_of(kind: type[_Enum], where: str, word: str) -> _Enum:
    try:
        return kind(word)
    except ValueError:
        raise ValueError(f"`{where}` cannot be `{word}`: use {', '.join(kind)}") from None
