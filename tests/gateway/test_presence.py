"""Whether the identity provider can be asked: how soon it is known, how often it is asked, and what says nothing of it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.presence import CONTROL, Presence
from sso.errors import ProviderAway, ProviderUnfit


class Provider:
    """Answers while it is `up`, and counts what it is asked."""

    def __init__(self) -> None:
        self.answers: list[Exception | None] = []
        self.asked = 0
        self.now = 1_000_000.0
        self.said: list[tuple[str, str]] = []
        self.presence = Presence(self.ask, lambda: self.now, lambda *said: self.said.append(said))

    async def ask(self) -> None:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


@pytest.fixture
def provider() -> Provider:
    return Provider()


def silent(times: int) -> list[Exception | None]:
    return [ProviderAway("no answer")] * times


async def test_it_is_asked_once_for_everybody_who_wants_to_know(provider: Provider) -> None:
    """Three hundred at the same moment, and those of the next ten seconds, cost one question."""
    assert not any(await asyncio.gather(*(provider.presence.look() for _ in range(300))))
    provider.now += 9.9
    assert not await provider.presence.look()
    assert provider.asked == 1
    provider.now += 0.2
    await provider.presence.look()
    assert provider.asked == 2


async def test_two_silences_are_away_and_one_is_not(provider: Provider) -> None:
    """Said once, and again when it is back."""
    provider.answers = silent(1)
    assert not await provider.presence.look()
    provider.now += 11
    provider.answers = silent(2)
    assert await provider.presence.look()
    assert provider.presence.away
    asked = provider.asked
    provider.now += 60
    assert await provider.presence.look()
    assert provider.asked == asked, "whoever comes while it is away waits for nothing"
    await provider.presence.watch()
    assert not await provider.presence.look()
    assert provider.said == [(CONTROL, "failing"), (CONTROL, "ok")]


async def test_metadata_that_may_not_be_used_is_as_good_as_none(provider: Provider) -> None:
    """Nobody can sign on by it."""
    provider.answers = [ProviderUnfit("another issuer"), ProviderUnfit("another issuer")]
    assert await provider.presence.look()


async def test_half_a_provider_is_away(provider: Provider) -> None:
    """Re-checks without an answer outweigh metadata that is served, for half a minute; an answer ends that at once."""
    provider.presence.missed()
    for seconds, away in ((11, True), (20, False)):
        provider.now += seconds
        await provider.presence.watch()
        assert provider.presence.away is away
    provider.presence.missed()
    provider.presence.heard()
    assert not provider.presence.away


async def test_while_it_is_away_it_is_watched_and_otherwise_not(provider: Provider) -> None:
    """Somebody notices that it is back, although nobody asks; nobody pesters one that is there."""
    await provider.presence.watch()
    assert provider.asked == 0
    provider.presence.missed()
    provider.now += 31
    await provider.presence.watch()
    assert (provider.asked, provider.presence.away) == (1, False)


async def test_re_checks_ask_once_a_second_while_it_is_away(provider: Provider) -> None:
    """However many shifts there are; as often as they like while it is there."""
    assert all(provider.presence.may_recheck() for _ in range(5))
    provider.presence.missed()
    assert not provider.presence.may_recheck()
    provider.now += 1.0
    assert [provider.presence.may_recheck() for _ in range(3)] == [True, False, False]
