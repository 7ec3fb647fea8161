"""Connectors come in by entry point, say what they are in a manifest, and check their options before anything runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connectors import registry
from connectors.base import ChecksHealth, Connector, LogsOn, Share, State, Translates
from connectors.testing import QUALITY_RULES

ROOT = Path(__file__).parents[2]
NAMES = ("fhir", "webform")


def test_both_connectors_are_found_without_being_imported() -> None:
    """Discovery reads metadata."""
    assert set(NAMES) <= registry.available().keys()


def test_an_unknown_connector_is_named_with_the_nearest() -> None:
    """A misspelt name says which one was meant."""
    with pytest.raises(registry.UnknownConnector, match="did you mean `fhir`"):
        registry.load("fihr")


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_says_what_the_connector_is(name: str) -> None:
    """State, sharing and mounts, before any of its code runs."""
    _, manifest = registry.load(name)
    assert manifest.name == name
    assert manifest.state is State.BROKERED
    assert manifest.share in (Share.SESSION, Share.SHIFT)
    assert manifest.mounts <= {"host", "path"}
    assert all(option.doc for option in manifest.options)


def test_a_system_with_a_current_patient_shares_no_log_on() -> None:
    """The login-form connector keeps one log-on for each session."""
    assert registry.load("webform")[1].share is Share.SESSION


def test_optional_powers_are_protocols() -> None:
    """Each connector has the ones it needs."""
    fhir, webform = registry.load("fhir")[0], registry.load("webform")[0]
    for kind, protocol in ((fhir, Translates), (fhir, ChecksHealth), (webform, LogsOn), (webform, ChecksHealth)):
        assert all(hasattr(kind, m) for m in powers(protocol)), (kind, protocol)
    for kind in (fhir, webform):
        assert all(hasattr(kind, m) for m in powers(Connector))


def powers(protocol: type) -> list[str]:
    """The methods that a protocol asks for."""
    found = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    assert found, f"{protocol} asks for nothing"
    return found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"login_pge": "/x"}, "did you mean `login_page`"),
        ({"login_page": 7}, "is a string"),
        ({}, "`options.login_page` is missing"),
        ({"success": {}}, "at least one of"),
        ({"success": {"colour": "green"}}, "at least one of"),
        ({"unnamed": "perhaps"}, "one of page, refuse"),
    ],
)
def test_options_are_checked_by_the_manifest(options: dict[str, object], said: str) -> None:
    """Name, type, choice and presence, each told with its remedy."""
    assert any(said in problem for problem in registry.load("webform")[1].problems(options)), said


def test_a_secret_is_given_by_reference_only() -> None:
    """A token in the configuration is refused, and not repeated."""
    problems = registry.load("fhir")[1].problems({"token": "hunter2"})
    assert problems
    assert "hunter2" not in " ".join(problems)


@pytest.mark.parametrize("name", NAMES)
def test_every_quality_rule_is_answered(name: str) -> None:
    """Done with a test that exists, or exempt with a reason."""
    rules = tomllib.loads((ROOT / "connectors" / name / "quality.toml").read_text())["rules"]
    assert rules.keys() == QUALITY_RULES
    for rule, answer in rules.items():
        if answer["status"] == "done":
            assert (ROOT / answer["test"]).exists(), rule
        else:
            assert len(answer["reason"]) > 10, rule
