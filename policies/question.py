"""An access request and its facts into the engine's exact input: classes and facts, no person, patient or instant.

`asked` gives the input as a plain tuple, cheap enough to be a memo's key; `Question` names its places. Both hold only
strings, booleans, one small number and frozen sets of strings, so that two clinicians of one role who open two patients
alike ask one and the same question.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from .model import AccessRequest, Facts

Asked: TypeAlias = tuple[Any, ...]  # the places of Question, in its order
Uid: TypeAlias = tuple[str, str]  # an entity's type and id

ASKING = "asking"  # the one user that policies see
ASKED = "asked"  # the one resource that policies see

_MANY = ("none", "one", "many")


class Question(NamedTuple):
    """The engine's exact input. Everything that a policy can weigh is here, and nothing else."""

    roles: frozenset[str]
    assurance: int
    organisation: str
    action: str
    system: str
    kind: str
    route: str
    patients: str  # none, one, many
    disclosure: str
    changing: bool
    device_class: str
    ownership: str
    managed: bool
    zone: str
    posture: str
    purpose: str
    unlocked: bool
    proof_method: str
    proof_fresh: bool
    provider_away: bool
    offline: bool
    keepable: frozenset[str]
    relationship: str
    break_glass: str
    restricted: str

    def record(self) -> bytes:
        """Canonical JSON (sorted keys, no blanks, UTF-8): what the journal keeps and `input_hash` is made of."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def as_dict(self) -> dict[str, Any]:
        """The places by name, JSON-able, sets as sorted lists."""
        return {name: sorted(v) if isinstance(v, frozenset) else v for name, v in zip(self._fields, self, strict=True)}

    @classmethod
    def from_record(cls, record: bytes) -> Question:
        """The question that `record` was made of. Raises ValueError when it is no such record."""
        found = json.loads(record)
        if not isinstance(found, dict) or found.keys() != set(cls._fields):
            raise ValueError("this is no record of a question to the policies")
        places = (found[name] for name in cls._fields)
        return cls._make(frozenset(v) if isinstance(v, list) else v for v in places)


def asked(access: AccessRequest, facts: Facts) -> Asked:
    """The question as a plain tuple.

    `_value_` is what `value` returns, without a descriptor's price: this runs for every request.
    """
    p, r, c = access.principal, access.resource, access.context
    d = c.device
    return (
        p.roles,
        p.assurance,
        p.organisation,
        access.action._value_,
        r.system,
        r.kind,
        r.route,
        _MANY[min(len(r.patients), 2)],
        r.disclosure._value_,
        r.changing,
        d.device_class._value_,
        d.ownership._value_,
        d.managed,
        d.zone,
        d.posture._value_,
        c.purpose._value_,
        c.unlocked,
        c.proof_method,
        c.proof_fresh,
        c.provider_away,
        c.offline,
        c.keepable,
        facts.relationship._value_,
        facts.break_glass._value_,
        facts.restricted._value_,
    )


def request(question: Question) -> dict[str, Any]:
    """The question as Cedar's request: principal, action, resource, context."""
    q = question
    return {
        "principal": {"type": "User", "id": ASKING},
        "action": {"type": "Action", "id": q.action},
        "resource": {"type": "Resource", "id": ASKED},
        "context": {
            "device": {
                "class": _entity("DeviceClass", q.device_class),
                "ownership": _entity("Ownership", q.ownership),
                "managed": q.managed,
                "zone": q.zone,
                "posture": _entity("Posture", q.posture),
            },
            "purpose": _entity("Purpose", q.purpose),
            "unlocked": q.unlocked,
            "proof_method": q.proof_method,
            "proof_fresh": q.proof_fresh,
            "provider_away": q.provider_away,
            "offline": q.offline,
            "keepable": sorted(q.keepable),
            "relationship": _entity("Known", q.relationship),
            "break_glass": _entity("Known", q.break_glass),
            "restricted": _entity("Known", q.restricted),
        },
    }


def entities(question: Question, named: Iterable[Uid] = ()) -> list[dict[str, Any]]:
    """Every entity that the question or a policy names: a missing one would make a rule fail, and be skipped."""
    q = question
    groups = {("Role", role) for role in q.roles} | {("System", q.system)} | set(named)
    user = {"assurance": q.assurance, "organisation": q.organisation}
    resource = {
        "kind": q.kind,
        "route": q.route,
        "patients": _entity("Patients", q.patients),
        "disclosure": _entity("Disclosure", q.disclosure),
        "changing": q.changing,
    }
    return [
        _record("User", ASKING, user, [("Role", role) for role in sorted(q.roles)]),
        _record("Resource", ASKED, resource, [("System", q.system)]),
        *(_record(kind, name, {}, []) for kind, name in sorted(groups)),
    ]


def _entity(kind: str, name: str) -> dict[str, Any]:
    return {"__entity": {"type": kind, "id": name}}


def _record(kind: str, name: str, attributes: dict[str, Any], parents: list[Uid]) -> dict[str, Any]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": attributes,
        "parents": [{"type": parent, "id": parent_id} for parent, parent_id in parents],
    }
