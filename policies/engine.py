"""A question into a verdict: deny by default, forbid over permit, and no verdict at all is a deny.

Cedar skips a rule that errors: a `forbid` whose sum overflows leaves Allow. So any error in the diagnostics, and any answer
but Allow or Deny, is Deny `policy-error`. Verdicts are remembered under the exact input that gave them; rules see no clock
and no person, so that one input always has one verdict.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, Protocol

import cedarpy

from .bundle import Bundle
from .decision import Decision, Deny, Obligation, Permit, Reason, Remedy
from .memo import Memo
from .model import AccessRequest, Facts
from .question import Asked, Question, asked, entities, request
from .remedy import remedies, step_up
from .rule import Rule, one_line

READ_ONLY = "read_only"  # kept here: a permit that obliges to it permits no change
ERROR = "policy-error"
CHANGES = frozenset({"write"})  # the actions that change a record; an HTTP method says nothing of that

_BROKEN = re.compile(r"policy `([^`]+)`")


class PolicyEngine(Protocol):
    """Whoever decides. Equal inputs get equal verdicts."""

    def decide(self, access: AccessRequest, facts: Facts) -> Decision: ...

    def input_record(self, input_hash: str) -> bytes:
        """Canonical JSON of the input behind a verdict just given. Raises LookupError for one long gone."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules say of a question: the permits that count, or why there are none."""

    permits: tuple[Rule, ...] = ()
    reason: Reason | None = None  # None: permitted
    remedies: tuple[Remedy, ...] = ()  # named by the rules that refuse
    broken: str = ""  # what went wrong in the engine, for operators


class CedarEngine:
    """The bundled engine. `posture_mode` is `devices.mode`; `memo_size` bounds the verdicts that are remembered."""

    def __init__(
        self, bundle: Bundle, posture_mode: Literal["observe", "enforce"] = "observe", memo_size: int = 65536
    ) -> None:
        self.bundle = bundle
        self.posture_mode = posture_mode
        self._named = bundle.named
        self._order = {name: place for place, name in enumerate(bundle.rules)}
        self._all = bundle.policies()
        observes = posture_mode == "observe" and any(rule.posture for rule in bundle.rules.values())
        self._ruling = bundle.policies(lambda rule: not rule.posture) if observes else self._all
        self._memo = Memo(memo_size)
        self.broken = ""  # what was wrong when a verdict last was `policy-error`

    @property
    def hits(self) -> int:
        """Verdicts that were remembered."""
        return self._memo.hits

    @property
    def misses(self) -> int:
        """Verdicts that were worked out."""
        return self._memo.misses

    def decide(self, access: AccessRequest, facts: Facts) -> Decision:
        """The verdict. Never raises: what cannot be decided is denied."""
        key = asked(access, facts)
        return self._memo.get(key) or self._fresh(key)

    def input_record(self, input_hash: str) -> bytes:
        return self._memo.record(input_hash)

    def outcome(self, question: Question) -> Outcome:
        """What the ruling rules say, not remembered."""
        return self._judge(question, self._ruling)

    def answer(self, question: Question) -> Decision:
        """The verdict on a question that may come from a record; not remembered."""
        return self._answer(question, question.record())

    def _fresh(self, key: Asked) -> Decision:
        question = Question._make(key)
        record = question.record()
        decision = self._answer(question, record)
        # A verdict that came of an error is worked out anew each time: what broke may be mended.
        certain = isinstance(decision, Permit) or decision.reason.code != ERROR
        self._memo.put(key if certain else None, decision, record)
        return decision

    def _answer(self, question: Question, record: bytes) -> Decision:
        version, input_hash = self.bundle.version, hashlib.sha256(record).hexdigest()
        outcome = self.outcome(question)
        strict = self._judge(question, self._all) if not outcome.reason and self._ruling is not self._all else outcome
        broken = outcome.broken or strict.broken
        if broken:
            self.broken = broken
            return Deny(_error(broken), version, input_hash)
        if outcome.reason:
            least = step_up(question, self._permitted)
            helps = remedies(question, self._permitted, outcome.remedies, step_up=least)
            return Deny(outcome.reason, version, input_hash, helps, least)
        obligations = frozenset(o for rule in outcome.permits for o in rule.obligations)
        rules = tuple(rule.id for rule in outcome.permits)
        return Permit(rules, version, input_hash, obligations, observed=strict.reason)

    def _permitted(self, question: Question) -> bool:
        return self.outcome(question).reason is None

    def _judge(self, question: Question, policies: cedarpy.PolicySet) -> Outcome:
        try:
            result = cedarpy.is_authorized(
                request(question), policies, entities(question, self._named), self.bundle.schema
            )
            decision, errors = result.decision, result.diagnostics.errors
            satisfied = sorted(result.diagnostics.reasons, key=self._order.__getitem__)
        except Exception as error:  # whatever it was, nothing was decided
            return _undecided(one_line(error) or type(error).__name__)
        if errors or decision not in (cedarpy.Decision.Allow, cedarpy.Decision.Deny):
            return _undecided(one_line(" / ".join(errors)) or f"the engine answered `{decision.value}`")
        rules = tuple(self.bundle.rules[name] for name in satisfied)
        if decision is cedarpy.Decision.Deny:
            return _refused(question, rules)
        return _counted(question, rules)


def _undecided(broken: str) -> Outcome:
    return Outcome(reason=_error(broken), broken=broken)


def _error(broken: str) -> Reason:
    text = "the rules could not be applied to this, so that it is refused: tell the operators"
    return Reason(ERROR, text, tuple(dict.fromkeys(_BROKEN.findall(broken))))


def _refused(question: Question, forbids: tuple[Rule, ...]) -> Outcome:
    """By the first forbid in the bundle's order, naming them all; or by the lack of a permit."""
    if not forbids:
        roles = ", ".join(f"`{role}`" for role in sorted(question.roles)) or "somebody without a role"
        text = f"no rule lets {roles} {question.action} `{question.kind}` in `{question.system}`"
        return Outcome(reason=Reason("no-permit", text))
    named = tuple(dict.fromkeys(remedy for rule in forbids for remedy in rule.remedies))
    return Outcome(
        reason=Reason(forbids[0].reason, forbids[0].sentence, tuple(rule.id for rule in forbids)), remedies=named
    )


def _counted(question: Question, permits: tuple[Rule, ...]) -> Outcome:
    """The permits whose obligations will be kept; a refusal when none is left."""
    changes = question.action in CHANGES
    keepable = question.keepable | {READ_ONLY}
    kept = tuple(rule for rule in permits if all(o.name in keepable for o in rule.obligations))
    counted = tuple(rule for rule in kept if not (changes and Obligation(READ_ONLY) in rule.obligations))
    if counted:
        return Outcome(permits=counted)
    if kept:
        reason = Reason("read-only", "you may look at this but not change it", tuple(rule.id for rule in kept))
    else:
        text = f"`{question.system}` cannot keep what the rule asks of it"
        reason = Reason("obligation-unkept", text, tuple(rule.id for rule in permits))
    return Outcome(reason=reason)
