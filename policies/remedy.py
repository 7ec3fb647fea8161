"""What would turn a deny into a permit: the same question with one thing changed, asked again.

A remedy is offered only where the rules themselves say that it would help. One act may change more than one input: a
sign-on brings fresh proof, a second factor and the provider's own word, and the glass is broken by somebody who has just proved who
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .decision import Remedy, StepUp
from .question import Question

# No emergency and no care of a patient opens these.
_NO_RECORD = frozenset({"audit", "manage_devices", "read_device_activity", "vouch"})
_LOCAL = ("passkey", "pin")  # they prove who it is, now; how strongly somebody signed on they do not raise
_LEVELS = (1, 2, 3)


def step_up(question: Question, permitted: Callable[[Question], bool]) -> StepUp | None:
    """The least proof that would do by itself; None where none would."""
    now = question._replace(proof_fresh=True)
    local = tuple(method for method in _LOCAL if permitted(now._replace(proof_method=method)))
    signed_on = now._replace(proof_method="federated", offline=False)
    enough = (level for level in _LEVELS if permitted(signed_on._replace(assurance=level)))
    assurance = next(enough, 0)
    return StepUp(assurance, local) if assurance or local else None


def remedies(
    question: Question,
    permitted: Callable[[Question], bool],
    named: Iterable[Remedy] = (),
    *,
    step_up: StepUp | None = None,
) -> tuple[Remedy, ...]:
    """Each remedy that would do by itself; those that the refusing rules name come first, in their order."""
    helpful = {remedy for remedy, changed in alternatives(question) if permitted(changed)}
    if step_up is not None:
        helpful.add(Remedy.STEP_UP)
    first = dict.fromkeys(remedy for remedy in named if remedy in helpful)
    return (*first, *(remedy for remedy in Remedy if remedy in helpful and remedy not in first))


def alternatives(question: Question) -> Iterator[tuple[Remedy, Question]]:
    """The questions that would be asked after each act but a proof; none for an act that would change nothing."""
    of_record = question.action not in _NO_RECORD
    if of_record and question.break_glass != "yes":
        yield Remedy.BREAK_GLASS, question._replace(break_glass="yes", purpose="BTG", proof_fresh=True)
    if of_record and question.relationship != "yes":
        yield Remedy.CLAIM_RELATIONSHIP, question._replace(relationship="yes")
    if not question.unlocked:
        yield Remedy.UNLOCK, question._replace(unlocked=True)
    if question.ownership == "unknown" or not question.managed:
        yield Remedy.ENROL_DEVICE, question._replace(ownership="issued", managed=True)
