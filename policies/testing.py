"""For tests, ours and other people's: an access request in a few words, and what every policy engine must hold to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from .decision import Deny, Permit
from .engine import PolicyEngine
from .model import AccessRequest, Action, Facts, PatientRef
from .scene import scene

__all__ = ["PolicyEngineContract", "ask"]


def ask(who: str | list[str], does: str, what: str, system: str = "epr", **given: Any) -> tuple[AccessRequest, Facts]:
    """`ask("nurse", "read", "observation", ownership="unknown")`: the words are those of examples (policies/scene.py)."""
    return scene(who, does, what, system, given)


class PolicyEngineContract:
    """Inherit, and give `engine` one that takes the bundled policies and enforces posture."""

    def engine(self) -> PolicyEngine:
        raise NotImplementedError

    def test_what_nobody_permits_is_denied(self) -> None:
        """Whoever has no role is denied every action, whatever the kind."""
        engine = self.engine()
        for action in Action:
            decision = engine.decide(*ask([], action.value, "observation"))
            assert isinstance(decision, Deny), action
            assert decision.reason.code
            assert decision.reason.text

    def test_a_permit_names_its_rules_and_their_version(self) -> None:
        """A permit says which rules gave it, from which text, on which input."""
        decision = self.engine().decide(*ask("nurse", "read", "observation"))
        assert isinstance(decision, Permit)
        assert decision.rules
        assert decision.policy_version

    def test_equal_inputs_get_equal_verdicts(self) -> None:
        """A question asked twice, and asked of another engine, is answered alike."""
        engine = self.engine()
        for given in ({}, {"assurance": 1}, {"restricted": "yes"}, {"unlocked": False}):
            question = ask("nurse", "write", "note", **given)
            assert engine.decide(*question) == engine.decide(*question) == self.engine().decide(*question)

    def test_the_input_record_is_what_the_hash_is_of(self) -> None:
        """The journal can prove what the engine was asked."""
        engine = self.engine()
        for who in ("nurse", "receptionist"):
            decision = engine.decide(*ask(who, "read", "observation"))
            record = engine.input_record(decision.input_hash)
            assert hashlib.sha256(record).hexdigest() == decision.input_hash
            assert (
                json.dumps(json.loads(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                == record.decode()
            )

    def test_the_input_names_nobody(self) -> None:
        """Neither the clinician nor the patient is in what the engine weighs, so that one verdict serves all alike."""
        engine = self.engine()
        access, facts = ask("nurse", "read", "observation")
        other = replace(
            access,
            principal=replace(access.principal, subject="somebody-else", name="Somebody Else"),
            resource=replace(access.resource, patients=frozenset({PatientRef("nhs-number", "9990000018")})),
        )
        decision = engine.decide(other, facts)
        assert decision == engine.decide(access, facts)
        record = engine.input_record(decision.input_hash)
        assert b"9990000018" not in record
        assert b"somebody" not in record.lower()

    def test_a_record_long_gone_is_an_error(self) -> None:
        """A hash that the engine does not hold gives no record, not an empty one."""
        try:
            self.engine().input_record("0" * 64)
        except LookupError:
            return
        raise AssertionError("an unknown hash was answered")
