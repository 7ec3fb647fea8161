"""Facts are gathered from their sources, and stay unknown where nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.facts import facts_about
from policies.model import AccessRequest, Facts, Known
from policies.testing import ask


class Ward:
    """Knows who cares for whom, and nothing else."""

    async def add(self, access: AccessRequest, facts: Facts) -> Facts:
        return replace(facts, relationship=Known.YES)


class Broken:
    async def add(self, access: AccessRequest, facts: Facts) -> Facts:
        raise TimeoutError


async def test_without_sources_nothing_is_known_and_no_glass_is_broken() -> None:
    """`unknown` is a value, never a default to yes or no."""
    access, _ = ask("nurse", "read", "observation")
    assert await facts_about(access) == Facts(Known.UNKNOWN, Known.NO, Known.UNKNOWN)


async def test_a_source_adds_what_it_knows() -> None:
    """What one source does not know, it leaves as it was."""
    access, _ = ask("nurse", "read", "observation")
    assert await facts_about(access, (Ward(),)) == Facts(Known.YES, Known.NO, Known.UNKNOWN)


async def test_a_source_that_breaks_stops_the_request() -> None:
    """Nothing is decided on half the facts."""
    access, _ = ask("nurse", "read", "observation")
    with pytest.raises(TimeoutError):
        await facts_about(access, (Ward(), Broken()))
