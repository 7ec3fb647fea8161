"""A question in a few words, or a record out of the journal, into an explanation that an auditor can read.

The words are those of examples (TOML or JSON): `who`, `does`, `what`, `in`, `given`. A record is the input that the
journal keeps with a verdict.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from .bundle import Bundle
from .decision import Decision, Deny, Reason, StepUp
from .engine import CedarEngine
from .question import Question, asked
from .rule import Rule
from .scene import scene

_WORDS = frozenset({"who", "does", "what", "in", "given"})


def explain(bundle: Bundle, request: str) -> str:
    """What the rules say of `request`, and which. Raises ValueError in words when it cannot be understood."""
    question = understood(request)
    lines = [*_asked(question), "", *_verdict(bundle, CedarEngine(bundle, "enforce").answer(question))]
    observed = CedarEngine(bundle, "observe").answer(question)
    if not isinstance(observed, Deny) and observed.observed:
        lines += ["", "While devices are only observed this is permitted, and the journal says what would be refused."]
    permits = CedarEngine(bundle.keeping(lambda rule: rule.permits), "enforce").outcome(question).permits
    lines += ["", "Rules that permit it:", *_rules(permits)]
    lines += ["", f"policy version {bundle.version}", f"input {question.record().decode()}"]
    return "\n".join(lines)


def understood(request: str) -> Question:
    """The question in `request`: JSON or TOML, words or a record. Raises ValueError."""
    values = _read(request)
    if "roles" in values:
        return Question.from_record(json.dumps(values).encode())
    for key in sorted(values.keys() - _WORDS):
        raise ValueError(f"`{key}` is unknown: use {', '.join(sorted(_WORDS))}")
    for key in ("who", "does", "what"):
        if key not in values:
            raise ValueError(f"`{key}` is missing")
    words = (values["who"], values["does"], values["what"], values.get("in", "epr"), values.get("given", {}))
    return Question._make(asked(*scene(*words)))


def _read(request: str) -> dict[str, Any]:
    try:
        values = json.loads(request) if request.lstrip().startswith("{") else tomllib.loads(request)
    except ValueError as error:
        raise ValueError(f"the request is neither JSON nor TOML: {error}") from None
    assert isinstance(values, dict)  # a JSON text that begins with `{`, or a TOML document
    return values


def _asked(q: Question) -> Iterator[str]:
    who = " and ".join(sorted(q.roles)) or "somebody without a role"
    about = {"none": "no patient named", "one": "one patient", "many": "several patients"}[q.patients]
    yield f"{who} asks to {q.action} `{q.kind}` in `{q.system}` ({about})"
    proof = "fresh" if q.proof_fresh else "older than five minutes"
    yield f"  signed on at assurance {q.assurance}, proof {proof}, screen {'unlocked' if q.unlocked else 'locked'}"
    managed = "managed" if q.managed else "not managed"
    yield f"  device: {q.ownership} {q.device_class}, {managed}, {q.posture}" + (f", zone `{q.zone}`" if q.zone else "")
    yield f"  facts: care relationship {q.relationship}, break-glass {q.break_glass}, sealed {q.restricted}"


def _verdict(bundle: Bundle, decision: Decision) -> Iterator[str]:
    if isinstance(decision, Deny):
        yield f"DENY {decision.reason.code}: {decision.reason.text}"
        yield from _refusing(bundle, decision.reason)
        yield "What would help: " + (", ".join(decision.remedies) or "no single step")
        if decision.step_up:
            yield f"  step_up: {_proof(decision.step_up)}"
        return
    yield "PERMIT"
    if decision.obligations:
        kept = sorted(o.name + (f"={o.value}" if o.value else "") for o in decision.obligations)
        yield f"Obliges to: {', '.join(kept)}"


def _proof(least: StepUp) -> str:
    signed_on = [f"a sign-on at assurance {least.assurance}"] if least.assurance else []
    return " or ".join([*(f"a {method}" for method in least.local), *signed_on]) + ", given now"


def _refusing(bundle: Bundle, reason: Reason) -> Iterator[str]:
    rules = [bundle.rules[name] for name in reason.rules if name in bundle.rules]
    if rules:
        yield ""
        yield "Rules behind the refusal:"
        yield from _rules(rules)
        yield ""


def _rules(rules: tuple[Rule, ...] | list[Rule]) -> Iterator[str]:
    if not rules:
        yield "  none"
    for rule in rules:
        yield f"  {rule.id}  ({rule.place})"
        yield from (f"    {line}" for line in rule.text.splitlines())
