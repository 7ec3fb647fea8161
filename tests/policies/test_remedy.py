"""What would turn a refusal: the least proof that the rules take, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policies.bundle import Bundle
from policies.decision import Deny, Remedy, StepUp
from policies.engine import CedarEngine
from policies.testing import ask

BUNDLED = CedarEngine(Bundle.load(), "enforce")
LOCAL = ("passkey", "pin")


def refused(engine: CedarEngine, who: str, does: str, what: str, **given: Any) -> Deny:
    decision = engine.decide(*ask(who, does, what, **given))
    assert isinstance(decision, Deny)
    return decision


ASKED: dict[str, tuple[tuple[str, str, str], dict[str, Any], StepUp | None]] = {
    "a record that leaves": (("doctor", "export", "patient"), {}, StepUp(3)),
    "a note after a password": (("nurse", "write", "note"), {"assurance": 1}, StepUp(2)),
    "an emergency, proved an hour ago": (
        ("doctor", "read", "observation"),
        {"break_glass": "yes", "purpose": "BTG", "proof_fresh": False},
        StepUp(1, LOCAL),
    ),
    "the same, raised for something else": (
        ("doctor", "read", "observation"),
        {"break_glass": "yes", "purpose": "BTG", "proof_fresh": False, "assurance": 3},
        StepUp(1, LOCAL),
    ),
    "a sealed record": (("doctor", "read", "observation"), {"restricted": "yes"}, None),
    "somebody without a role": (("porter", "read", "observation"), {}, None),
    "a smartcard's export at a shared PC": (("doctor", "export", "patient"), {"ownership": "shared"}, None),
}


@pytest.mark.parametrize("case", ASKED)
def test_the_least_proof_is_asked_for(case: str) -> None:
    """As strong as the rule wants it, by the clinician's own means where it takes them, and none where none would do."""
    asked, given, least = ASKED[case]
    deny = refused(BUNDLED, *asked, **given)
    assert deny.step_up == least
    assert (Remedy.STEP_UP in deny.remedies) is (least is not None)


RULES = """@id("doctors") permit (principal in Role::"doctor", action, resource);
@id("by-passkey") @reason("passkey") @text("prescribing needs your passkey") @remedy("step_up")
forbid (principal, action == Action::"write", resource) unless { context.proof_method == "passkey" && context.proof_fresh };
@id("signed-on") @reason("signed-on") @text("printing needs a sign-on") @remedy("step_up")
forbid (principal, action == Action::"print", resource) unless { context.proof_method == "federated" };
"""


def test_a_rule_may_name_the_proof_that_it_takes(tmp_path: Path) -> None:
    """A passkey where it wants a passkey, and a sign-on after a PIN where it wants a sign-on."""
    (tmp_path / "a.cedar").write_text(RULES, encoding="utf-8")
    engine = CedarEngine(Bundle.load(tmp_path), "enforce")
    assert refused(engine, "doctor", "write", "medicationrequest").step_up == StepUp(0, ("passkey",))
    assert refused(engine, "doctor", "print", "record", proof_method="pin").step_up == StepUp(1)
