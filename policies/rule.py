"""One Cedar statement into a rule: what it is called, what it says to people, what it obliges to.

Annotations mean nothing to Cedar. Here they are closed: `@id` (unique), `@reason` (a stable code) and `@text` (a
sentence), `@remedy`, `@obligation`, `@mode("posture")`; anything else is a slip of the pen and refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from .decision import Obligation, Remedy
from .question import Uid
from .statements import Statement

ANNOTATIONS = ("id", "reason", "text", "remedy", "obligation", "mode")
RESERVED = frozenset({"no-permit", "policy-error", "obligation-unkept", "read-only"})  # reasons that the engine gives

_REMEDIES = tuple(remedy.value for remedy in Remedy)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_OBLIGATION = re.compile(r"([a-z][a-z0-9_]*)(?:=([^,=]*))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked statement."""

    id: str
    place: str  # `file:line`
    text: str = field(repr=False)  # the statement as it stands in its file
    permits: bool
    reason: str  # a forbid's stable code
    sentence: str  # a forbid's words for people
    remedies: tuple[Remedy, ...]
    obligations: frozenset[Obligation]
    posture: bool  # rules only while `devices.mode = "enforce"`
    named: frozenset[Uid]  # entities that the statement names
    policy: dict[str, Any] = field(repr=False, compare=False)  # as Cedar's JSON


def read(statement: Statement, schema: cedarpy.Schema | None) -> tuple[Rule | None, list[str]]:
    """The rule, or None, and every problem found: `what is wrong: what to do`."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(statement.text))
    except ValueError as error:
        return None, [f"cannot be read as Cedar ({one_line(error)}): correct it"]
    if parsed["templates"] or len(parsed["staticPolicies"]) != 1:
        return None, ["is a template: write plain policies, without `?principal` or `?resource`"]
    (policy,) = parsed["staticPolicies"].values()
    notes: dict[str, str | None] = policy.get("annotations", {})
    problems = list(_annotation_problems(notes, permits=policy["effect"] == "permit"))
    named = frozenset(_named(policy))
    problems += _name_problems(named)
    if schema is not None:
        problems += _misfits(statement, schema)
    if problems:
        return None, problems
    return _rule(statement, policy, {k: v or "" for k, v in notes.items()}, named), []


def _annotation_problems(notes: dict[str, str | None], *, permits: bool) -> Iterator[str]:
    for unknown in sorted(notes.keys() - set(ANNOTATIONS)):
        yield f"`@{unknown}` is no annotation: use {', '.join('@' + a for a in ANNOTATIONS)}"
    for empty in sorted(name for name in ANNOTATIONS if name in notes and not notes[name]):
        yield f"`@{empty}` is empty: give it a value, or leave it out"
    if "id" not in notes:
        yield 'has no name: begin it with `@id("...")`'
    elif notes["id"] and not _NAME.fullmatch(notes["id"]):
        yield f"`{notes['id']}` is no name for a rule: use small letters, digits and hyphens"
    yield from _permit_problems(notes) if permits else _forbid_problems(notes)


def _permit_problems(notes: dict[str, str | None]) -> Iterator[str]:
    for misplaced in ("reason", "remedy", "mode"):
        if misplaced in notes:
            yield f"`@{misplaced}` says something of a refusal: a permit has none, leave it out"
    for part in (notes.get("obligation") or "").split(","):
        if part.strip() and not _OBLIGATION.fullmatch(part.strip()):
            yield f"`{part.strip()}` is no obligation: write `name` or `name=value`, with commas between them"


def _forbid_problems(notes: dict[str, str | None]) -> Iterator[str]:
    if "obligation" in notes:
        yield "`@obligation` belongs to a permit: leave it out"
    for needed in ("reason", "text"):
        if needed not in notes:
            yield f"a forbid must say why to whom it refuses: add `@{needed}`"
    reason = notes.get("reason")
    if reason and (reason in RESERVED or not _NAME.fullmatch(reason)):
        taken = "is a reason of the engine's own" if reason in RESERVED else "is no reason code"
        yield f"`{reason}` {taken}: use another, of small letters, digits and hyphens"
    for remedy in _parts(notes.get("remedy")):
        if remedy not in _REMEDIES:
            yield f"`{remedy}` is no remedy: use {', '.join(_REMEDIES)}"
    if notes.get("mode") not in (None, "", "posture"):
        yield f"`{notes['mode']}` is no mode: `posture` is the only one"


def _name_problems(named: frozenset[Uid]) -> list[str]:
    """A question names no person and no thing, so that a rule about one would never hold."""
    return [
        f'`{kind}::"{name}"` is one {"person" if kind == "User" else "thing"}: write about a role, a kind or a system'
        for kind, name in sorted(named)
        if kind in ("User", "Resource")
    ]


def _misfits(statement: Statement, schema: cedarpy.Schema) -> list[str]:
    result = cedarpy.validate_policies(statement.text, schema)
    if result.validation_passed:
        return []
    errors = [re.sub(r"^for policy `[^`]*`[,:] *", "", one_line(e.error)) for e in result.errors]
    return [f"does not fit the schema ({error}): correct it" for error in errors or ["no reason given"]]


def _named(node: Any) -> Iterator[Uid]:
    """Entities named anywhere in a policy's JSON: `{"type": …, "id": …}`. Cedar nests at most 100 deep."""
    if isinstance(node, dict):
        if node.keys() == {"type", "id"} and all(isinstance(v, str) for v in node.values()):
            yield (node["type"], node["id"])
        for child in node.values():
            yield from _named(child)
    elif isinstance(node, list):
        for child in node:
            yield from _named(child)


def _rule(statement: Statement, policy: dict[str, Any], notes: dict[str, str], named: frozenset[Uid]) -> Rule:
    obligations = (part.partition("=") for part in _parts(notes.get("obligation")))
    return Rule(
        id=notes["id"],
        place=statement.place,
        text=statement.text,
        permits=policy["effect"] == "permit",
        reason=notes.get("reason", ""),
        sentence=notes.get("text", ""),
        remedies=tuple(Remedy(part) for part in _parts(notes.get("remedy"))),
        obligations=frozenset(Obligation(name, value) for name, _, value in obligations),
        posture=notes.get("mode") == "posture",
        named=named,
        policy=policy,
    )


def _parts(value: str | None) -> list[str]:
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def one_line(error: object) -> str:
    return " ".join(str(error).split())
