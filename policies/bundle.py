"""A folder of Cedar policies into one checked bundle that names its rules.

Cedar's own errors name neither file nor line, so the files are split into statements here; each statement is parsed and
validated against the schema by itself, and a problem is told as `file:line: what, remedy`. The policy set is rebuilt
keyed by `@id`, so that a verdict's diagnostics are the names that auditors read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import cedarpy

from .decision import Obligation
from .errors import BundleError

SCHEMA = "schema.cedarschema"
ANNOTATIONS = frozenset({"id", "reason", "text", "remedy", "obligation", "mode"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement: its name, what it says to people, where it stands."""

    id: str
    effect: str  # `permit` or `forbid`
    reason: str
    text: str
    remedy: str
    obligations: frozenset[Obligation]
    posture: bool  # rules only while devices.mode = "enforce"
    place: str  # file:line
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Statement:
    place: str
    source: str


@dataclass(frozen=True, slots=True)
class Bundle:
    rules: dict[str, Rule]
    schema: cedarpy.Schema
    version: str  # of the files' bytes
    _json: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Bundle:
        """Read and check a folder; None is the bundled one. Raises BundleError with every problem."""
        folder = Path(path) if path is not None else Path(str(resources.files("policies.bundled")))
        files = sorted(folder.glob("*.cedar")) if folder.is_dir() else []
        if not files or not (folder / SCHEMA).exists():
            raise BundleError([f"{folder}: not a policy bundle: it needs `{SCHEMA}` and at least one `*.cedar` file"])
        schema_text = (folder / SCHEMA).read_text("utf-8")
        try:
            schema = cedarpy.Schema.from_str(schema_text)
        except ValueError as error:
            raise BundleError([f"{folder / SCHEMA}: {_line(error)}"]) from None
        rules, policies, problems = _read(files, schema)
        if problems:
            raise BundleError(problems)
        digest = hashlib.sha256()
        for file in [folder / SCHEMA, *files]:
            content = file.read_bytes()
            digest.update(len(content).to_bytes(8, "big") + content)
        return cls(
            rules, schema, digest.hexdigest()[:16], {"templates": {}, "staticPolicies": policies, "templateLinks": []}
        )

    def policy_set(self, *, without_posture: bool = False) -> cedarpy.PolicySet:
        """The rules for the engine; without those that only observe."""
        kept = {
            name: policy
            for name, policy in self._json["staticPolicies"].items()
            if not (without_posture and self.rules[name].posture)
        }
        return cedarpy.PolicySet.from_json_str(json.dumps(self._json | {"staticPolicies": kept}))

    def without(self, rule: str) -> Bundle:
        """The same bundle with one rule less: examples show that each rule is needed."""
        kept = {name: policy for name, policy in self._json["staticPolicies"].items() if name != rule}
        rules = {name: r for name, r in self.rules.items() if name != rule}
        return Bundle(rules, self.schema, f"{self.version}-{rule}", self._json | {"staticPolicies": kept})


def _read(files: list[Path], schema: cedarpy.Schema) -> tuple[dict[str, Rule], dict[str, Any], list[str]]:
    rules: dict[str, Rule] = {}
    policies: dict[str, Any] = {}
    problems: list[str] = []
    for file in files:
        for statement in split(file.read_text("utf-8"), file.name):
            try:
                rule, policy = _rule(statement, schema)
            except ValueError as error:
                problems.append(f"{statement.place}: {error}")
                continue
            if rule.id in rules:
                problems.append(f'{rule.place}: `@id("{rule.id}")` stands at {rules[rule.id].place} too: rename one')
            rules[rule.id], policies[rule.id] = rule, policy
    return rules, policies, problems


def _rule(statement: Statement, schema: cedarpy.Schema) -> tuple[Rule, Any]:
    """Raises ValueError in a sentence."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(statement.source))
    except ValueError as error:
        raise ValueError(f"cannot be read: {_line(error)}") from None
    found = list(parsed["staticPolicies"].values())
    if parsed["templates"] or len(found) != 1:
        raise ValueError("only plain policies may stand in a bundle: write the template out")
    notes: dict[str, str] = found[0].get("annotations", {})
    for unknown in sorted(notes.keys() - ANNOTATIONS):
        raise ValueError(f"unknown annotation `@{unknown}`: use one of {', '.join(sorted(ANNOTATIONS))}")
    if not notes.get("id"):
        raise ValueError('a policy needs a name: put `@id("…")` before it')
    if notes.get("mode", "posture") != "posture":
        raise ValueError(f"unknown mode `{notes['mode']}`: only `posture` is known")
    if found[0]["effect"] == "forbid" and not (notes.get("reason") and notes.get("text")):
        raise ValueError('a forbid needs `@reason("code")` and `@text("a sentence for the person refused")`')
    checked = cedarpy.validate_policies(statement.source, schema)
    if not checked.validation_passed:
        raise ValueError(f"does not fit the schema: {_line(checked.errors[0].error)}")
    return _described(found[0]["effect"], notes, statement), found[0]


def _described(effect: str, notes: dict[str, str], statement: Statement) -> Rule:
    obligations = frozenset(
        Obligation(*part.strip().split("=", 1)) for part in notes.get("obligation", "").split(",") if part.strip()
    )
    return Rule(
        id=notes["id"],
        effect=effect,
        reason=notes.get("reason", ""),
        text=notes.get("text", ""),
        remedy=notes.get("remedy", ""),
        obligations=obligations,
        posture=notes.get("mode") == "posture",
        place=statement.place,
        source=statement.source.strip(),
    )


def split(text: str, name: str) -> list[Statement]:
    """A file's statements, each with the line that it begins on. Strings and comments are respected."""
    statements: list[Statement] = []
    start, line, begun, i = 0, 1, 0, 0
    while i < len(text):
        c = text[i]
        if text.startswith("//", i):
            i = text.find("\n", i) if "\n" in text[i:] else len(text)
            continue
        if c == '"':
            begun = begun or line
            i = _string_end(text, i)
            continue
        if c == "\n":
            line += 1
        elif not c.isspace():
            begun = begun or line
        if c == ";":
            statements.append(Statement(f"{name}:{begun}", text[start : i + 1]))
            start, begun = i + 1, 0
        i += 1
    if begun:
        statements.append(Statement(f"{name}:{begun}", text[start:]))
    return statements


def _string_end(text: str, i: int) -> int:
    i += 1
    while i < len(text) and text[i] != '"':
        i += 2 if text[i] == "\\" else 1
    return i + 1


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300]
