"""Past inputs, as the journal keeps them, into what a candidate bundle would decide differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .decision import Decision, Deny
from .engine import CedarEngine
from .question import Question


@dataclass(frozen=True, slots=True)
class Change:
    """One question whose verdict would be another, and how often it was asked."""

    question: Question
    times: int
    before: str  # `permit`, or a reason code
    after: str


def changes(records: Iterable[bytes], ruling: CedarEngine, candidate: CedarEngine) -> Iterator[Change]:
    """The changes, those asked most often first. Raises ValueError for what is no record."""
    for record, times in Counter(records).most_common():
        question = Question.from_record(record)
        before, after = _said(ruling.answer(question)), _said(candidate.answer(question))
        if before != after:
            yield Change(question, times, before, after)


def _said(decision: Decision) -> str:
    return decision.reason.code if isinstance(decision, Deny) else "permit"
