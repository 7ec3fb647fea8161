"""The examples in docs/policies.md are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from policies import examples
from policies.bundle import Bundle
from policies.explain import explain
from policies.rule import ANNOTATIONS

PAGE = (Path(__file__).parents[2] / "docs/policies.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_rules_and_examples_shown_are_good(tmp_path: Path) -> None:
    """Whoever copies a rule off the page gets one that loads, and the examples shown hold."""
    (tmp_path / "page.cedar").write_text("\n".join(blocks("cedar")), encoding="utf-8")
    (tmp_path / examples.FILE).write_text("\n".join(blocks("toml")), encoding="utf-8")
    bundle = Bundle.load(tmp_path)
    assert len(bundle.rules) == len(blocks("cedar")) == 3
    # The page forbids an unknown relationship by way of example; its pharmacist is asked without that rule.
    asked = bundle.keeping(lambda rule: rule.id != "no-unknown-relationship")
    shown = examples.load(tmp_path / examples.FILE)
    assert len(shown) == 2
    assert examples.failures(asked, shown) == []


def test_the_explanation_shown_is_the_one_given() -> None:
    """The page quotes what is really said."""
    (question,), (said,) = blocks("json"), blocks("text")
    assert json.loads(question)
    assert set(said.splitlines()) <= set(explain(Bundle.load(), question).splitlines())


def test_every_annotation_has_its_line() -> None:
    """There is no annotation that only the source knows."""
    assert all(f"| `@{name}(" in PAGE for name in ANNOTATIONS)


def test_every_role_of_the_bundled_policies_is_on_the_page() -> None:
    """A reader sees every role that the bundled policies speak of."""
    assert all(f"| `{role}` |" in PAGE for kind, role in Bundle.load().named if kind == "Role")
