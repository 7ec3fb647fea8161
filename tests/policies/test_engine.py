"""Verdicts: denied by default, denied when in doubt, remembered only where nothing can differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.bundle import Bundle
from policies.decision import Deny, Obligation, Permit, Remedy
from policies.engine import CedarEngine, PolicyEngine
from policies.model import Action, DeviceClass, Disclosure, Known, Ownership, PatientRef, Posture, Purpose
from policies.question import Question, asked, entities, request
from policies.testing import PolicyEngineContract, ask

BUNDLE = Bundle.load()


class TestCedarEngine(PolicyEngineContract):
    """The bundled engine under the suite that every engine stands under."""

    def engine(self) -> PolicyEngine:
        return CedarEngine(BUNDLE, "enforce")


def engine_of(folder: Path, text: str, mode: Literal["observe", "enforce"] = "enforce") -> CedarEngine:
    (folder / "a.cedar").write_text(text, encoding="utf-8")
    return CedarEngine(Bundle.load(folder), mode)


NURSE_READS = '@id("nurse-reads") permit (principal in Role::"nurse", action, resource);\n'
OVERFLOWS = """@id("too-much") @reason("sum") @text("the sum is too large")
forbid (principal, action, resource) when { principal.assurance + 9223372036854775807 > 0 };"""


def test_a_forbid_that_overflows_denies(tmp_path: Path) -> None:
    """Cedar alone skips a rule that errors and allows; here the doubt denies."""
    engine = engine_of(tmp_path, NURSE_READS + OVERFLOWS)
    access, facts = ask("nurse", "read", "observation")
    question = Question._make(asked(access, facts))
    alone = cedarpy.is_authorized(request(question), engine.bundle.policies(), entities(question), engine.bundle.schema)
    assert alone.decision is cedarpy.Decision.Allow  # the canary: this is what must not get through

    decision = engine.decide(access, facts)
    assert isinstance(decision, Deny)
    assert decision.reason.code == "policy-error"
    assert decision.reason.rules == ("too-much",)
    assert decision.remedies == ()
    assert "overflow" in engine.broken


def test_a_posture_rule_that_overflows_denies_even_while_it_only_observes(tmp_path: Path) -> None:
    """A rule that cannot be applied is a fault, whatever its mode."""
    decision = engine_of(tmp_path, NURSE_READS + '@mode("posture") ' + OVERFLOWS, "observe").decide(
        *ask("nurse", "read", "observation")
    )
    assert isinstance(decision, Deny)
    assert decision.reason.code == "policy-error"


def test_an_engine_that_breaks_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any failure of the policy is a deny, and once it is mended the verdict is worked out anew."""
    engine = CedarEngine(BUNDLE, "enforce")
    question = ask("nurse", "read", "observation")
    with monkeypatch.context() as broken:
        broken.setattr("policies.engine.cedarpy.is_authorized", lambda *_: 1 / 0)
        decision = engine.decide(*question)
    assert isinstance(decision, Deny)
    assert decision.reason.code == "policy-error"
    assert engine.input_record(decision.input_hash)
    assert isinstance(engine.decide(*question), Permit)


def test_an_answer_but_allow_or_deny_is_a_deny() -> None:
    """An input that does not fit the schema is refused, not half understood."""
    access, facts = ask("nurse", "read", "observation")
    odd = replace(access, principal=replace(access.principal, assurance="2"))  # type: ignore[arg-type]  # the point
    decision = CedarEngine(BUNDLE, "enforce").decide(odd, facts)
    assert isinstance(decision, Deny)
    assert decision.reason.code == "policy-error"


def test_every_refusing_rule_is_named_and_the_first_one_speaks(tmp_path: Path) -> None:
    """The journal knows all the rules; the person is told one reason."""
    more = '@id("z-first") @reason("one") @text("first") forbid (principal, action, resource);\n'
    engine = engine_of(tmp_path, more + more.replace("z-first", "a-second").replace("one", "two"))
    decision = engine.decide(*ask("nurse", "read", "observation"))
    assert isinstance(decision, Deny)
    assert (decision.reason.code, decision.reason.text) == ("one", "first")
    assert decision.reason.rules == ("z-first", "a-second")


def test_obligations_are_the_union_over_all_permits(tmp_path: Path) -> None:
    """Two rules that both permit oblige to what either asks."""
    one = '@id("one") @obligation("no_export, watermark=ward") permit (principal, action, resource);\n'
    two = '@id("two") @obligation("read_only") permit (principal, action, resource);\n'
    engine = engine_of(tmp_path, one + two)
    decision = engine.decide(*ask("nurse", "read", "observation", keepable=["no_export", "watermark"]))
    assert isinstance(decision, Permit)
    assert decision.rules == ("one", "two")
    assert decision.obligations == {Obligation("no_export"), Obligation("watermark", "ward"), Obligation("read_only")}


def test_a_permit_whose_obligation_cannot_be_kept_does_not_count(tmp_path: Path) -> None:
    """What a connector cannot keep is not promised: no other permit, no access."""
    one = '@id("one") @obligation("no_export") permit (principal, action, resource);\n'
    engine = engine_of(tmp_path, one)
    decision = engine.decide(*ask("nurse", "read", "observation", keepable=["watermark"]))
    assert isinstance(decision, Deny)
    assert decision.reason.code == "obligation-unkept"
    assert decision.reason.rules == ("one",)

    engine = engine_of(tmp_path, one + NURSE_READS)
    decision = engine.decide(*ask("nurse", "read", "observation", keepable=["watermark"]))
    assert isinstance(decision, Permit)
    assert decision.rules == ("nurse-reads",)
    assert decision.obligations == frozenset()


def test_read_only_refuses_the_action_whatever_the_method(tmp_path: Path) -> None:
    """A search by POST is a look and permitted; a change is refused whichever way it comes."""
    one = '@id("one") @obligation("read_only") permit (principal, action, resource);\n'
    engine = engine_of(tmp_path, one)
    assert isinstance(engine.decide(*ask("nurse", "search", "patient")), Permit)
    decision = engine.decide(*ask("nurse", "write", "note"))
    assert isinstance(decision, Deny)
    assert decision.reason.code == "read-only"


def test_posture_rules_only_observe_until_they_are_enforced() -> None:
    """HTTP-271: an unknown device off site is refused under enforce; under observe the permit says what it escaped."""
    question = ask("nurse", "read", "observation", ownership="unknown", managed=False, posture="off-site")
    refused = CedarEngine(BUNDLE, "enforce").decide(*question)
    assert isinstance(refused, Deny)
    assert refused.reason.code == "device-off-site"

    observed = CedarEngine(BUNDLE, "observe").decide(*question)
    assert isinstance(observed, Permit)
    assert observed.observed == refused.reason


def test_what_other_rules_refuse_is_refused_under_observe_too() -> None:
    """Observing weakens no rule but those about devices."""
    question = ask("nurse", "read", "observation", ownership="unknown", posture="off-site", restricted="yes")
    decision = CedarEngine(BUNDLE, "observe").decide(*question)
    assert isinstance(decision, Deny)
    assert decision.reason.code == "restricted"


def test_a_missing_care_relationship_is_refused_and_break_glass_opens() -> None:
    """HTTP-259, HTTP-261: a nurse who does not care for the patient is told what would help, and it helps."""
    engine = CedarEngine(BUNDLE, "enforce")
    refused = engine.decide(*ask("nurse", "read", "observation", relationship="no"))
    assert isinstance(refused, Deny)
    assert refused.reason.code == "relationship"
    assert refused.remedies == (Remedy.CLAIM_RELATIONSHIP, Remedy.BREAK_GLASS)
    assert isinstance(
        engine.decide(*ask("nurse", "read", "observation", relationship="no", break_glass="yes", purpose="BTG")), Permit
    )


def test_the_memo_hits_for_other_people_and_other_patients() -> None:
    """A ward of nurses reading a ward of patients asks the rules one question."""
    engine = CedarEngine(BUNDLE, "enforce")
    access, facts = ask("nurse", "read", "observation")
    for number in range(100):
        other = replace(
            access,
            principal=replace(access.principal, subject=f"n{number}"),
            resource=replace(access.resource, patients=frozenset({PatientRef("nhs-number", str(number))})),
        )
        engine.decide(other, facts)
    assert (engine.hits, engine.misses) == (99, 1)


def test_the_memo_is_bounded_and_keeps_what_is_in_use() -> None:
    """Room is bounded; what is asked all the time stays, with its record."""
    engine = CedarEngine(BUNDLE, "enforce", memo_size=10)
    kept = engine.decide(*ask("nurse", "read", "observation"))
    first = engine.decide(*ask("nurse", "read", "observation", zone="first"))
    for number in range(40):
        engine.decide(*ask("nurse", "read", "observation", zone=f"z{number}"))
        assert engine.decide(*ask("nurse", "read", "observation")) is kept
        assert engine.input_record(kept.input_hash)
    assert engine.misses == 42
    with pytest.raises(LookupError):
        engine.input_record(first.input_hash)


def test_a_question_comes_back_whole_from_its_record() -> None:
    """What the journal keeps can be asked again."""
    question = Question._make(asked(*ask(["nurse", "doctor"], "read", "observation", keepable=["no_export"])))
    assert Question.from_record(question.record()) == question
    with pytest.raises(ValueError, match="no record"):
        Question.from_record(b'{"roles":[]}')


ANYTHING = st.fixed_dictionaries(
    {
        "assurance": st.integers(1, 3),
        "patients": st.sampled_from(["none", "one", "many"]),
        "disclosure": st.sampled_from([d.value for d in Disclosure]),
        "changing": st.booleans(),
        "device_class": st.sampled_from([d.value for d in DeviceClass]),
        "ownership": st.sampled_from([o.value for o in Ownership]),
        "managed": st.booleans(),
        "zone": st.sampled_from(["", "wards", "vpn"]),
        "posture": st.sampled_from([p.value for p in Posture]),
        "purpose": st.sampled_from([p.value for p in Purpose]),
        "unlocked": st.booleans(),
        "proof_method": st.sampled_from(["federated", "pin"]),
        "proof_fresh": st.booleans(),
        "provider_away": st.booleans(),
        "offline": st.booleans(),
        "keepable": st.lists(st.sampled_from(["read_only", "no_export"]), unique=True),
        "relationship": st.sampled_from([k.value for k in Known]),
        "break_glass": st.sampled_from([k.value for k in Known]),
        "restricted": st.sampled_from([k.value for k in Known]),
    }
)
ROLES = st.lists(
    st.sampled_from(["nurse", "doctor", "receptionist", "privacy-officer", "porter"]), unique=True, max_size=2
)
KINDS = st.sampled_from(["page", "list", "patient", "demographics", "appointment", "observation", "note", "journal"])
DEEDS = st.sampled_from([a.value for a in Action])
SHARED = {mode: CedarEngine(BUNDLE, mode, memo_size=64) for mode in ("observe", "enforce")}  # type: ignore[arg-type]  # both are modes


@settings(max_examples=300, deadline=None)
@given(ROLES, DEEDS, KINDS, ANYTHING, st.sampled_from(["observe", "enforce"]))
def test_a_remembered_verdict_is_the_one_worked_out_anew(
    roles: list[str], does: str, what: str, circumstances: dict[str, object], mode: Literal["observe", "enforce"]
) -> None:
    """Whatever was asked before, the memo never answers another question."""
    question = ask(roles, does, what, **circumstances)
    first = SHARED[mode].decide(*question)
    assert SHARED[mode].decide(*question) == first == CedarEngine(BUNDLE, mode).decide(*question)


@settings(max_examples=150, deadline=None)
@given(ROLES, DEEDS, KINDS, ANYTHING)
def test_observing_permits_what_enforcing_permits_and_says_what_it_would_refuse(
    roles: list[str], does: str, what: str, circumstances: dict[str, object]
) -> None:
    """Observe differs from enforce in the rules about devices only, and hides nothing."""
    question = ask(roles, does, what, **circumstances)
    observed, enforced = SHARED["observe"].decide(*question), SHARED["enforce"].decide(*question)
    if isinstance(observed, Deny):
        assert isinstance(enforced, Deny)
    elif isinstance(enforced, Deny):
        assert observed.observed == enforced.reason
        assert any(BUNDLE.rules[rule].posture for rule in enforced.reason.rules)
    else:
        assert observed == enforced
