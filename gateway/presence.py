"""Whether the identity provider can be asked: what is known of it by the latest questions, whoever asked them.

Emergency sign-on opens while it is away, so nobody at a browser may make it seem so: what counts is the gateway's own question for
its metadata, asked twice before it is believed, and the re-checks of shifts, whose moment nobody chooses. What became of somebody's
sign-on says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sso.errors import ProviderAway
from sso.flight import Flight

CONTROL = "identity-provider"
_PATIENCE = 3.0  # seconds for one question
_BELIEVED = 10.0  # seconds that an answer is believed
# Seconds that a re-check without an answer counts for more than metadata: a provider may be half down.
_MISSED_HOLDS = 30.0
_PROBE_EVERY = 1.0  # seconds between two re-checks, of whichever shifts, while it is known to be away


class Presence:
    def __init__(
        self, ask: Callable[[], Awaitable[None]], now: Callable[[], float], alarm: Callable[[str, str], None]
    ) -> None:
        """`ask` raises ProviderAway; `alarm(control, state)` hears of each change."""
        self._ask = ask
        self._now = now
        self._alarm = alarm
        self._away = False
        self._known = self._missed = self._probed = float("-inf")
        self._flight: Flight[None] = Flight(self._probe)

    @property
    def away(self) -> bool:
        """As far as it is known; nothing is asked for it."""
        return self._away

    def heard(self) -> None:
        """A re-check was answered."""
        self._missed = float("-inf")
        self._is(away=False)

    def missed(self) -> None:
        """A re-check got no answer."""
        self._missed = self._now()
        self._is(away=True)

    def may_recheck(self) -> bool:
        """While it is away, one question a second is enough to notice that it is back, however many shifts there are."""
        now = self._now()
        if self._away and 0 <= now - self._probed < _PROBE_EVERY:
            return False
        self._probed = now
        return True

    async def look(self) -> bool:
        """Whether it is away. Asked now, unless somebody has just asked, or it is known to be: nobody waits for a silence again."""
        if not self._away and not 0 <= self._now() - self._known < _BELIEVED:
            await self._flight.join()
        return self._away

    async def watch(self) -> None:
        """While it is away, ask whether it is back. Called every few seconds; while it is there nothing is asked."""
        if self._away:
            await self._flight.join()

    async def _probe(self) -> None:
        for _ in range(2):  # one lost packet closes and opens nothing
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._ask()
            except (ProviderAway, TimeoutError):
                continue
            self._is(away=0 <= self._now() - self._missed < _MISSED_HOLDS)
            return
        self._is(away=True)

    def _is(self, *, away: bool) -> None:
        self._known = self._now()
        if away is not self._away:
            self._away = away
            self._alarm(CONTROL, "failing" if away else "ok")
