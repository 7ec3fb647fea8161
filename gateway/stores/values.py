"""Shifts and sessions into values that JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict
from functools import lru_cache
from typing import Any, TypeVar, cast

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.device import Certificate, Enrolment, PublicKey
from sso.last_sign_on import LastSignOn
from sso.session import Session
from sso.shift import Shift

H = TypeVar("H", bound=Hashable)


@lru_cache(maxsize=4096, typed=True)
def _one(value: Hashable) -> Hashable:
    return value


def same(value: H) -> H:
    """The one object for what thousands have alike: a role, an issuer, a kind of device."""
    return cast("H", _one(value))


def _flat(value: Any) -> dict[str, Any]:
    """`asdict` without its copies: a session is written each half minute that somebody is there."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def shift_value(shift: Shift) -> dict[str, Any]:
    """Of one that has ended, without the provider's tokens: nobody asks for them any more."""
    value = _with_principal(_flat(shift), shift.principal)
    return value if shift.ended is None else {**value, "id_token": "", "refresh_token": ""}


def shift_of(value: dict[str, Any]) -> Shift:
    value = _alike(value, "acr") | {"amr": same(tuple(value["amr"]))}
    return Shift(principal=_principal(value.pop("principal")), **value)


def last_sign_on_value(found: LastSignOn) -> dict[str, Any]:
    return _with_principal(_flat(found), found.principal)


def last_sign_on_of(value: dict[str, Any]) -> LastSignOn:
    return LastSignOn(principal=_principal(value.pop("principal")), **value)


def _with_principal(value: dict[str, Any], principal: Principal) -> dict[str, Any]:
    return value | {"principal": _flat(principal) | {"roles": sorted(principal.roles)}}


def _principal(value: dict[str, Any]) -> Principal:
    alike = _alike(value, "issuer", "role", "organisation")
    return Principal(**{**alike, "roles": same(frozenset(value["roles"]))})


def _alike(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """An earlier release may have left some of them out."""
    return value | {name: same(value[name]) for name in names if name in value}


def session_value(session: Session) -> dict[str, Any]:
    return _flat(session) | {"device": _flat(session.device)}


def session_of(value: dict[str, Any]) -> Session:
    d = value.pop("device")
    value["hosts"] = tuple(same(host) for host in value["hosts"])
    device = Device(
        id=d.get("id", ""),
        name=d["name"],
        device_class=DeviceClass(d["device_class"]),
        ownership=Ownership(d["ownership"]),
        managed=d["managed"],
        zone=d["zone"],
        posture=Posture(d["posture"]),
    )
    return Session(device=same(device), **_alike(value, "proof"))


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
