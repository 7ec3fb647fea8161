"""A shift's life in any order: whatever is done, a browser shows nobody's pages but those of whoever last proved to be there."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import sampled_from

from gateway.app import open_gateway
from gateway.config import load
from gateway.sessions import HOST_LIFE
from sso.session import Session
from sso.testing import ToyProvider

from .front import MAIN, PAS, Clock, Front, Tab, config_in

PEOPLE = {"n.okoye": "N Okoye", "l.adler": "L Adler"}
BROWSERS = (0, 1, 2)
ENROLLED = 0
browsers, people = sampled_from(BROWSERS), sampled_from(sorted(PEOPLE))


class ShiftLife(RuleBasedStateMachine):
    """Three browsers at shared PCs, the first of them enrolled, and two clinicians. `may` is who may act in each, `at_lock` whose locked
    session it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.may: dict[int, str | None] = dict.fromkeys(BROWSERS)
        self.at_lock: dict[int, str | None] = dict.fromkeys(BROWSERS)
        self.handed: tuple[int, int, str, str] | None = None

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def opened(self) -> None:
        self.run(self._open())

    async def _open(self) -> None:
        self.provider = await ToyProvider().__aenter__()
        self.clock = self.provider.now = Clock()
        idle = {"idle": {"shared": "350s"}}  # longer than a system host's cookie lives
        self.path = config_in(Path(self.folder.name), self.provider.issuer, shift=idle, sso={"recheck": "24h"})
        await self._begin()
        self.tabs = {number: Tab(self.house) for number in BROWSERS}
        await self.tabs[ENROLLED].enrol()

    async def _begin(self) -> None:
        running = await open_gateway(load(self.path, {}), now=self.clock)
        self.house = Front(running, self.provider, self.clock, Path(self.folder.name))

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.run(self.house.running.closing.aclose())
            self.run(self.provider.__aexit__())
        self.loop.close()
        self.folder.cleanup()

    def _is(self, person: str) -> None:
        """Whoever stands at the provider's page now."""
        self.provider.claims = {"sub": person, "name": PEOPLE[person], "sid": f"s-{person}"}

    def _elsewhere_locked(self, person: str, here: int) -> None:
        """The lock that follows its clinician to every other shared screen."""
        for other in BROWSERS:
            if other != here and self.may[other] == person:
                self.may[other], self.at_lock[other] = None, person

    def _is_elsewhere(self, person: str, here: int) -> bool:
        return any(self.may[other] == person for other in BROWSERS if other != here)

    @rule(browser=browsers, person=people)
    def sign_on(self, browser: int, person: str) -> None:
        """At a browser that nobody has locked."""
        if self.at_lock[browser] is None:
            self._is(person)
            self.run(self.tabs[browser].sign_on())
            self.may[browser] = person

    @rule(browser=browsers)
    def lock(self, browser: int) -> None:
        self.run(self.tabs[browser].post(f"{MAIN}/lock"))
        if self.may[browser]:
            self.may[browser], self.at_lock[browser] = None, self.may[browser]

    @rule()
    def idle(self) -> None:
        """Everybody is called away."""
        self.clock.step += 400
        for browser in BROWSERS:
            if self.may[browser]:
                self.may[browser], self.at_lock[browser] = None, self.may[browser]

    @rule(browser=browsers, person=people)
    def unlock(self, browser: int, person: str) -> None:
        """By signing on again: its clinician is back, anybody else takes the browser over."""
        if (owner := self.at_lock[browser]) is None:
            return
        self._is(person)

        async def again() -> None:
            tab = self.tabs[browser]
            sent = await tab.post(f"{MAIN}/unlock/again", await tab.proof("unlock"))
            await tab.follow(sent.headers["location"])

        self.run(again())
        self.may[browser], self.at_lock[browser] = person, None
        if person == owner:
            self._elsewhere_locked(person, browser)

    @rule(browser=browsers)
    def sign_off(self, browser: int) -> None:
        self.run(self.tabs[browser].post(f"{MAIN}/sign-off"))
        self.may[browser] = self.at_lock[browser] = None

    @rule(browser=browsers)
    def sign_off_everywhere(self, browser: int) -> None:
        """A locked session ends alone, whatever the form says."""
        person = self.may[browser]
        self.run(self.tabs[browser].post(f"{MAIN}/sign-off", {"everywhere": "yes"}))
        self.may[browser] = self.at_lock[browser] = None
        for other in BROWSERS:
            if person and person in (self.may[other], self.at_lock[other]):
                self.may[other] = self.at_lock[other] = None

    @precondition(lambda self: any(self.may.values()))
    @rule(giver=browsers, taker=browsers)
    def hand_off(self, giver: int, taker: int) -> None:
        """From a browser that is signed on, freshly proved, to one at which nobody is."""
        person = self.may[giver]
        if person is None or self.may[taker] or self.at_lock[taker]:
            return

        async def hand() -> bool:
            proof = {number: await self.tabs[number].proof("hand-off") for number in (giver, taker)}
            asked = await self.tabs[taker].post(f"{MAIN}/handoff", proof[taker])
            code = re.search(r'aria-label="Code">([^<]+)<', asked.text)
            if code is None:
                return False  # too many in a minute
            await self.tabs[giver].post(f"{MAIN}/handoff/look", {"code": code[1]})
            said = await self.tabs[giver].post(
                f"{MAIN}/handoff/confirm", {"code": code[1], "answer": "yes", **proof[giver]}
            )
            number = re.search(r'aria-label="Number">(\d+)<', said.text)
            if number is None:
                return False  # the proof is not fresh any more
            sent = {"number": number[1], **await self.tabs[taker].proof("hand-off")}
            taken = await self.tabs[taker].post(f"{MAIN}/handoff/take", sent)
            return taken.headers.get("location") in ("/", f"{MAIN}/")  # the latter where a switch left it

        if self.run(hand()):
            self.may[taker] = person

    @rule(browser=browsers)
    def open_a_system(self, browser: int) -> None:
        """Through the doors, with whatever they ask of the device: the cookie there is the session's that is here."""
        tab = self.tabs[browser]
        _, way = self.run(tab.follow(PAS + "/"))
        there = way[-1].startswith(f"{MAIN}/vault/pas")  # where nobody's log-on is known, it is asked for
        assert there == bool(self.may[browser]), (browser, way[-1])

    @rule()
    def lapse(self) -> None:
        """Everybody reads for five minutes: cookies at systems' hosts are worth nothing any more, sessions are."""
        self.clock.step += HOST_LIFE + 10

    @rule()
    def revoke(self) -> None:
        """The enrolled one is taken out of use, and enrolled anew."""

        async def revoked() -> None:
            async with self.house.store() as store:
                await store.revoke_device(self.tabs[ENROLLED].device, self.clock())
            self.clock.step += 1  # within a second
            await self.tabs[ENROLLED].enrol()

        self.run(revoked())
        self.may[ENROLLED] = self.at_lock[ENROLLED] = None

    @rule()
    def expire(self) -> None:
        """The longest shift is over."""
        self.clock.step += 15 * 3600
        self.may = dict.fromkeys(BROWSERS)
        self.at_lock = dict.fromkeys(BROWSERS)

    @rule()
    def restart(self) -> None:
        """The gateway is killed by nobody, and begun anew on the same disk."""

        async def again() -> None:
            await self.house.running.closing.aclose()
            await self._begin()
            for tab in self.tabs.values():
                tab.front = self.house

        self.run(again())

    def shown(self, browser: int) -> Any:
        """The first page, as this browser gets it."""
        return self.run(self.tabs[browser].get(MAIN + "/"))

    @invariant()
    def each_browser_shows_its_own_clinician_or_nobody(self) -> None:
        """On the main host; and a system's host lets in nobody whom the main host does not."""
        if not hasattr(self, "tabs"):
            return
        for browser, tab in self.tabs.items():
            page = self.shown(browser)
            owner = self.may[browser]
            if owner and page.headers.get("location", "").startswith("/unlock") and self._is_elsewhere(owner, browser):
                # They came back to a session that they had left at another desk: the lock has followed them there.
                self.may[browser], self.at_lock[browser] = None, owner
            shown = [person for person, name in PEOPLE.items() if name in page.text] if page.status_code == 200 else []
            expected = [self.may[browser]] if self.may[browser] else []
            assert shown == expected, (browser, page.status_code, page.headers.get("location"))
            direct = self.run(tab.get(PAS + "/"))
            inside = direct.headers.get("location", "").startswith(f"{MAIN}/vault/pas")
            assert not inside or self.may[browser], (browser, direct.status_code)


def lived(examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        ShiftLife,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            database=None,
            phases=phases or tuple(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_no_order_of_steps_shows_anybody_another_s_pages() -> None:
    """Sign-on, lock, idle, unlock, take-over, sign-off, hand-off, renewal, revocation, end, restart: in every order that chance finds."""
    lived(12)


@pytest.mark.slow
def test_a_lock_that_does_not_hold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine turns red on a build whose locked sessions may act."""
    monkeypatch.setattr(Session, "may_act", lambda session, now: session.ended is None)
    with pytest.raises(AssertionError):
        lived(100, Phase.generate)  # it ends with the first that is found
