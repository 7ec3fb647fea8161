"""The bundled policies hold to their examples, and no rule among them could go missing unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies import examples
from policies.bundle import Bundle
from policies.errors import BundleError

BUNDLE = Bundle.load()
EXAMPLES = examples.load(BUNDLE.path / examples.FILE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_holds(example: examples.Example) -> None:
    """What the auditor reads is what the rules do."""
    assert examples.failures(BUNDLE, [example]) == []


@pytest.mark.parametrize("rule", BUNDLE.rules)
def test_without_any_one_rule_an_example_fails(rule: str) -> None:
    """Each rule is proven: dropped, it is missed (CVE-2021-21411)."""
    assert examples.failures(BUNDLE.keeping(lambda r: r.id != rule), EXAMPLES)


def test_each_rule_that_refuses_is_seen_to_refuse() -> None:
    """There is a deny for every reason that the bundled rules can give."""
    reasons = {rule.reason for rule in BUNDLE.rules.values() if not rule.permits}
    assert reasons <= {example.expect for example in EXAMPLES}


def test_each_remedy_that_a_rule_names_is_seen_to_help() -> None:
    """No rule promises what would not help."""
    seen = {(example.expect, remedy) for example in EXAMPLES for remedy in example.remedies or ()}
    assert {(rule.reason, str(remedy)) for rule in BUNDLE.rules.values() for remedy in rule.remedies} <= seen


def test_a_rule_that_no_example_misses_is_told(tmp_path: Path) -> None:
    """A rule without an example is said to be unproven."""
    rule = '@id("porter-enters") permit (principal in Role::"porter", action == Action::"enter", resource);\n'
    for number, file in enumerate(sorted(BUNDLE.path.glob("*.cedar"))):
        (tmp_path / file.name).write_text(file.read_text() + (rule if number == 0 else ""))
    assert examples.unproven(Bundle.load(tmp_path), EXAMPLES) == ["porter-enters"]


BAD = {
    "an unknown key": ('wo = "nurse"', "`wo` is unknown"),
    "an unknown circumstance": ("given = { managd = true }", "`given.managd` is unknown"),
    "a circumstance of another type": ('given = { managed = "yes" }', "`given.managed` is a bool"),
    "an unknown value": ('given = { restricted = "maybe" }', "`given.restricted` cannot be `maybe`"),
    "an unknown mode": ('mode = "later"', "`later` is no mode"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_example_with_a_slip_is_told_by_its_name(what: str, tmp_path: Path) -> None:
    """A misspelt circumstance never tests something else than it says."""
    line, said = BAD[what]
    file = tmp_path / examples.FILE
    file.write_text(f'[[example]]\nname = "n"\nwho = "nurse"\ndoes = "read"\nwhat = "x"\nexpect = "permit"\n{line}\n')
    with pytest.raises(BundleError, match=r"example 1 \(`n`\)") as caught:
        examples.load(file)
    assert said in caught.value.problems[0]


def test_checking_a_good_bundle_finds_nothing() -> None:
    """The bundled policies are well, examples and all."""
    assert examples.check() == []


def test_checking_tells_problems_failing_examples_and_unproven_rules(tmp_path: Path) -> None:
    """One check finds slips first, then examples that fail, then rules that nobody would miss."""
    rule = tmp_path / "a.cedar"
    rule.write_text("permit (principal, action, resource);")
    assert examples.check(tmp_path) == ['a.cedar:1: has no name: begin it with `@id("...")`']
    rule.write_text('@id("all") permit (principal, action, resource);')
    assert examples.check(tmp_path) == []
    example = '[[example]]\nname = "n"\nwho = "nurse"\ndoes = "read"\nwhat = "x"\nexpect = "no-permit"\n'
    (tmp_path / examples.FILE).write_text(example)
    assert examples.check(tmp_path) == ["examples.toml: `n`: expected `no-permit`, got `permit` by `all`"]
    (tmp_path / examples.FILE).write_text(example.replace("no-permit", "permit"))
    rule.write_text(rule.read_text() + '\n@id("more") permit (principal, action, resource);')
    assert [line.partition(": ")[0] for line in examples.check(tmp_path)] == ["a.cedar:1", "a.cedar:2"]
