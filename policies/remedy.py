"""What would turn a deny into a permit: the same question with one thing changed, asked again.

A remedy is offered only where the rules themselves say that it would help. One act may change more than one input: a
step-up brings both fresh proof and a second factor, and the glass is broken by somebody who has just proved who they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .decision import Remedy
from .question import Question

# No emergency and no care of a patient opens these.
_NO_RECORD = frozenset({"audit", "manage_devices", "read_device_activity"})


def remedies(
    question: Question, permitted: Callable[[Question], bool], named: Iterable[Remedy] = ()
) -> tuple[Remedy, ...]:
    """Each remedy that would do by itself; those that the refusing rules name come first, in their order."""
    helpful = {remedy for remedy, changed in alternatives(question) if permitted(changed)}
    first = dict.fromkeys(remedy for remedy in named if remedy in helpful)
    return (*first, *(remedy for remedy in Remedy if remedy in helpful and remedy not in first))


def alternatives(question: Question) -> Iterator[tuple[Remedy, Question]]:
    """The questions that would be asked after each act; none for an act that would change nothing."""
    for level in (question.assurance, 2, 3):
        if level > question.assurance or not question.proof_fresh or question.proof_method != "federated":
            assurance = max(level, question.assurance)
            stronger = question._replace(proof_fresh=True, assurance=assurance, proof_method="federated")
            yield Remedy.STEP_UP, stronger
    of_record = question.action not in _NO_RECORD
    if of_record and question.break_glass != "yes":
        yield Remedy.BREAK_GLASS, question._replace(break_glass="yes", purpose="BTG", proof_fresh=True)
    if of_record and question.relationship != "yes":
        yield Remedy.CLAIM_RELATIONSHIP, question._replace(relationship="yes")
    if not question.unlocked:
        yield Remedy.UNLOCK, question._replace(unlocked=True)
    if question.ownership == "unknown" or not question.managed:
        yield Remedy.ENROL_DEVICE, question._replace(ownership="issued", managed=True)
