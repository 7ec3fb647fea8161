"""Shifts and sessions into values that JSON can hold, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.device import Certificate, Enrolment, PublicKey
from sso.last_sign_on import LastSignOn
from sso.session import Session
from sso.shift import Shift


def shift_value(shift: Shift) -> dict[str, Any]:
    """Of one that has ended, without the provider's tokens: nobody asks for them any more."""
    value = _with_principal(asdict(shift), shift.principal)
    return value if shift.ended is None else {**value, "id_token": "", "refresh_token": ""}


def shift_of(value: dict[str, Any]) -> Shift:
    value["amr"] = tuple(value["amr"])
    return Shift(principal=_principal(value.pop("principal")), **value)


def last_sign_on_value(found: LastSignOn) -> dict[str, Any]:
    return _with_principal(asdict(found), found.principal)


def last_sign_on_of(value: dict[str, Any]) -> LastSignOn:
    return LastSignOn(principal=_principal(value.pop("principal")), **value)


def _with_principal(value: dict[str, Any], principal: Principal) -> dict[str, Any]:
    value["principal"]["roles"] = sorted(principal.roles)
    return value


def _principal(value: dict[str, Any]) -> Principal:
    return Principal(**{**value, "roles": frozenset(value["roles"])})


def session_of(value: dict[str, Any]) -> Session:
    d = value.pop("device")
    value["hosts"] = tuple(value["hosts"])
    device = Device(
        id=d.get("id", ""),
        name=d["name"],
        device_class=DeviceClass(d["device_class"]),
        ownership=Ownership(d["ownership"]),
        managed=d["managed"],
        zone=d["zone"],
        posture=Posture(d["posture"]),
    )
    return Session(device=device, **value)


def enrolment_value(enrolment: Enrolment) -> dict[str, Any]:
    return asdict(enrolment)


def enrolment_of(value: dict[str, Any]) -> Enrolment:
    key, certificate, owner = value.pop("key"), value.pop("certificate"), value.pop("owner")
    value["ownership"] = Ownership(value["ownership"])
    if value.get("device_class"):
        value["device_class"] = DeviceClass(value["device_class"])
    return Enrolment(
        key=PublicKey(**key) if key else None,
        certificate=Certificate(**certificate) if certificate else None,
        owner=(owner[0], owner[1]) if owner else None,
        **value,
    )
