"""What would help: the same question with one input changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .decision import Remedy
from .model import AccessRequest, Facts, Known, Ownership


def alternatives(access: AccessRequest, facts: Facts) -> Iterator[tuple[Remedy, tuple[AccessRequest, Facts]]]:
    """Each remedy with the question as it would be asked after it."""
    context, principal = access.context, access.principal
    if not context.unlocked:
        yield Remedy.UNLOCK, (replace(access, context=replace(context, unlocked=True)), facts)
    if not context.proof_fresh or principal.assurance < 3:
        stronger = replace(principal, assurance=max(principal.assurance, 3))
        proved = replace(access, principal=stronger, context=replace(context, proof_fresh=True))
        yield Remedy.STEP_UP, (proved, facts)
    if facts.relationship is not Known.YES:
        yield Remedy.CLAIM_RELATIONSHIP, (access, replace(facts, relationship=Known.YES))
    if facts.break_glass is not Known.YES:
        yield Remedy.BREAK_GLASS, (access, replace(facts, break_glass=Known.YES))
    if context.device.ownership is Ownership.UNKNOWN:
        enrolled = replace(context.device, ownership=Ownership.ISSUED, managed=True)
        yield Remedy.ENROL_DEVICE, (replace(access, context=replace(context, device=enrolled)), facts)
