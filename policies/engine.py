"""An access request and its facts into a verdict: Cedar, deny by default, memoised on the exact inputs.

Cedar skips a policy that errors, so that a `forbid` that overflows would leave Allow: any error in the diagnostics, and
any answer but Allow or Deny, is Deny `policy-error`. Patients and instants enter as coarse classes, never as ids, so that
the memo hits and the journal's input record says exactly what was weighed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, Protocol

import cedarpy

from .bundle import Bundle, Rule
from .decision import Decision, Deny, Obligation, Permit, Reason
from .model import AccessRequest, Action, Facts
from .remedy import alternatives

PERSON, THING, DOES = "Clinician", "Thing", "Action"
# Kinds that are not a part of anybody's clinical record.
PLAIN_KINDS = frozenset(
    {"page", "asset", "system", "list", "demographics", "patient", "appointment", "schedule", "slot"}
)
_WRITES = frozenset({Action.WRITE})

Input = dict[str, Any]
_Key = tuple[Any, ...]


class PolicyEngine(Protocol):
    def decide(self, access: AccessRequest, facts: Facts) -> Decision: ...

    def input_record(self, input_hash: str) -> bytes:
        """The exact input behind a verdict, as canonical JSON."""
        ...


class CedarEngine:
    def __init__(
        self, bundle: Bundle, posture_mode: Literal["observe", "enforce"] = "observe", memo_size: int = 65536
    ) -> None:
        self.bundle = bundle
        self.hits = 0
        self.misses = 0
        self._observe = posture_mode == "observe"
        self._all = bundle.policy_set()
        self._ruling = bundle.policy_set(without_posture=True) if self._observe else self._all
        self._memo: dict[_Key, Decision] = {}
        self._memo_size = memo_size
        self._records: dict[str, bytes] = {}

    def decide(self, access: AccessRequest, facts: Facts) -> Decision:
        """Pure: equal inputs give equal verdicts. Never raises."""
        key = _key(access, facts)
        decision = self._memo.get(key)
        if decision is not None:
            self.hits += 1
            return decision
        self.misses += 1
        if len(self._memo) >= self._memo_size:
            self._memo.clear()
            self._records.clear()
        question = _input(access, facts)
        record = json.dumps(question, sort_keys=True, separators=(",", ":")).encode()
        input_hash = hashlib.sha256(record).hexdigest()[:32]
        self._records[input_hash] = record
        decision = self._memo[key] = self._decide(access, facts, question, input_hash)
        return decision

    def input_record(self, input_hash: str) -> bytes:
        return self._records.get(input_hash, b"{}")

    def _decide(self, access: AccessRequest, facts: Facts, question: Input, input_hash: str) -> Decision:
        verdict = self._evaluate(self._ruling, question)
        observed = None
        if isinstance(verdict, frozenset) and self._observe:
            strict = self._evaluate(self._all, question)
            observed = strict if isinstance(strict, Reason) else None
        version = self.bundle.version
        if isinstance(verdict, Reason):
            remedies = tuple(
                remedy
                for remedy, (other, known) in alternatives(access, facts)
                if isinstance(self._evaluate(self._ruling, _input(other, known)), frozenset)
            )
            return Deny(verdict, version, input_hash, remedies)
        return Permit(tuple(sorted(r.id for r in verdict)), version, input_hash, _obligations(verdict), observed)

    def _evaluate(self, policies: cedarpy.PolicySet, question: Input) -> frozenset[Rule] | Reason:
        """The permits that hold and whose obligations can be kept, or the reason of the refusal."""
        try:
            answer = cedarpy.is_authorized(_request(question), policies, _entities(question), self.bundle.schema)
            errors, named = list(answer.diagnostics.errors), list(answer.diagnostics.reasons)
            decision = answer.decision
            rules = frozenset(self.bundle.rules[name] for name in named)
        except Exception:
            return _broken(())
        if errors or decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
            return _broken(tuple(sorted(named)))
        if decision is cedarpy.Decision.Deny:
            return _refused(rules)
        return _kept(rules, frozenset(question["context"]["keepable"]), question["action"])


def _kept(permits: frozenset[Rule], keepable: frozenset[str], action: str) -> frozenset[Rule] | Reason:
    kept = frozenset(r for r in permits if {o.name for o in r.obligations} <= keepable)
    if not kept:
        ids = tuple(sorted(r.id for r in permits))
        return Reason("obligation-unkept", "this system cannot keep what the rule obliges it to", ids)
    if action in _WRITES and any(o.name == "read_only" for o in _obligations(kept)):
        ids = tuple(sorted(r.id for r in kept if Obligation("read_only") in r.obligations))
        return Reason("read-only", "you may read here, not change", ids)
    return kept


def _obligations(rules: frozenset[Rule]) -> frozenset[Obligation]:
    return frozenset[Obligation]().union(*(r.obligations for r in rules))


def _refused(forbids: frozenset[Rule]) -> Reason:
    if not forbids:
        return Reason("no-permit", "no rule permits this to your role")
    first = min(forbids, key=lambda r: r.id)
    return Reason(first.reason, first.text, tuple(sorted(r.id for r in forbids)))


def _broken(rules: tuple[str, ...]) -> Reason:
    return Reason("policy-error", "the policy could not be evaluated, so nothing is permitted", rules)


def _key(access: AccessRequest, facts: Facts) -> _Key:
    p, r, c = access.principal, access.resource, access.context
    d = c.device
    return (
        p.roles, p.assurance, p.organisation, access.action,
        r.system, r.kind, min(len(r.patients), 2), r.disclosure, r.changing,
        d.device_class, d.ownership, d.managed, d.zone, d.posture,
        c.purpose, c.unlocked, c.proof_method, c.proof_fresh, c.provider_away, c.keepable,
        facts.relationship, facts.break_glass, facts.restricted,
    )  # fmt: skip


def _input(access: AccessRequest, facts: Facts) -> Input:
    p, r, c = access.principal, access.resource, access.context
    d = c.device
    return {
        "principal": {"roles": sorted(p.roles), "assurance": p.assurance, "organisation": p.organisation},
        "action": access.action.value,
        "resource": {
            "system": r.system,
            "kind": r.kind,
            "clinical": r.kind not in PLAIN_KINDS,
            "patients": ("none", "one", "many")[min(len(r.patients), 2)],
            "disclosure": r.disclosure.value,
            "changing": r.changing,
        },
        "context": {
            "device": {
                "class": d.device_class.value,
                "ownership": d.ownership.value,
                "managed": d.managed,
                "zone": d.zone,
                "posture": d.posture.value,
            },
            "purpose": c.purpose.value,
            "unlocked": c.unlocked,
            "proof": {"method": c.proof_method, "fresh": c.proof_fresh},
            "provider_away": c.provider_away,
            "keepable": sorted(c.keepable),
            "relationship": facts.relationship.value,
            "break_glass": facts.break_glass.value,
            "restricted": facts.restricted.value,
        },
    }


def _request(question: Input) -> Input:
    return {
        "principal": {"type": PERSON, "id": "asking"},
        "action": {"type": DOES, "id": question["action"]},
        "resource": {"type": THING, "id": "asked-for"},
        "context": question["context"],
    }


def _entities(question: Input) -> list[dict[str, Any]]:
    return [
        {"uid": {"type": PERSON, "id": "asking"}, "attrs": question["principal"], "parents": []},
        {"uid": {"type": THING, "id": "asked-for"}, "attrs": question["resource"], "parents": []},
    ]
