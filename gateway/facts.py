"""An access request into the facts that the engine may weigh beside it (policy information points).

What nobody can tell stays `unknown`, which the policies then treat openly. A source that breaks raises: nothing is decided
on half the facts. Until sources exist, a care relationship and a seal are unknown and no glass is broken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from policies.model import AccessRequest, Facts


class FactSource(Protocol):
    """One place that knows something of a person and a patient: a grant, a ward list, a flag in a system."""

    async def add(self, access: AccessRequest, facts: Facts) -> Facts:
        """`facts` with what this source knows; unchanged where it knows nothing of these patients.

        With several patients a fact holds only if it holds for each of them. Raises what gateway/errors.py has a row for.
        """
        ...


NOTHING_KNOWN = Facts()


async def facts_about(access: AccessRequest, sources: Iterable[FactSource] = ()) -> Facts:
    """Ask each source in turn; a later one sees, and may overrule, what an earlier one found."""
    facts = NOTHING_KNOWN
    for source in sources:
        facts = await source.add(access, facts)
    return facts
