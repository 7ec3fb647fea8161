"""An auditor can ask what the rules say, and why."""

from __future__ import annotations

import pytest

from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.explain import explain
from policies.testing import ask

BUNDLE = Bundle.load()


def test_a_refusal_is_explained_with_its_rule_and_what_would_help() -> None:
    """The auditor sees verdict, reason, the rule as written with its place, and the way out."""
    said = explain(BUNDLE, 'who = "doctor"\ndoes = "read"\nwhat = "observation"\ngiven = { restricted = "yes" }')
    assert "doctor asks to read `observation` in `epr` (one patient)" in said
    assert "DENY restricted: this record is sealed" in said
    assert f"restricted-record  ({BUNDLE.rules['restricted-record'].place})" in said
    assert 'context.restricted == Known::"yes"' in said
    assert "What would help: break_glass" in said
    assert "doctor-clinical  (10-roles.cedar:" in said


def test_a_permit_is_explained_by_the_rules_that_give_it() -> None:
    """A permit names its rules too."""
    said = explain(BUNDLE, '{"who": "nurse", "does": "read", "what": "observation", "in": "lab"}')
    assert "\nPERMIT\n" in said
    assert "nurse-clinical  (10-roles.cedar:" in said


def test_what_only_observing_permits_is_said() -> None:
    """Nobody takes a permit under observe for one that stays."""
    given = 'given = { ownership = "unknown", managed = false, posture = "off-site" }'
    said = explain(BUNDLE, f'who = "nurse"\ndoes = "read"\nwhat = "observation"\n{given}')
    assert "DENY device-off-site" in said
    assert "While devices are only observed this is permitted" in said


def test_a_record_of_the_journal_is_explained_as_it_was_asked() -> None:
    """What the journal kept is enough to explain a verdict afterwards."""
    engine = CedarEngine(BUNDLE, "enforce")
    decision = engine.decide(*ask("receptionist", "read", "observation"))
    said = explain(BUNDLE, engine.input_record(decision.input_hash).decode())
    assert "DENY no-permit: no rule lets `receptionist` read `observation` in `epr`" in said
    assert "What would help: no single step" in said


@pytest.mark.parametrize(
    ("request_text", "said"),
    [
        ("who is it", "neither JSON nor TOML"),
        ('{"who": "nurse"', "neither JSON nor TOML"),
        ('wo = "nurse"', "`wo` is unknown"),
        ('who = "nurse"', "`does` is missing"),
        ('who = "nurse"\ndoes = "peek"\nwhat = "x"', "`does` cannot be `peek`"),
        ('{"roles": ["nurse"]}', "no record"),
    ],
)
def test_what_cannot_be_understood_is_told_in_words(request_text: str, said: str) -> None:
    """A slip in the question is no verdict."""
    with pytest.raises(ValueError, match=said):
        explain(BUNDLE, request_text)
